"""Applies manifests to a running kube-apiserver and lets keelwatch look at them with the shipped rights:
deploy.py APISERVER_FOLDER CRDS_FOLDER PROGRAM MANIFEST... (see tests/peers/deploy)."""

import glob
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import yaml

yaml.CSafeLoader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)
kube, crds, program, *manifests = sys.argv[1:]
URL = open(kube + "/url").read().strip()
TOKEN = open(kube + "/admin-token").read().strip()
TLS = ssl.create_default_context(cafile=kube + "/ca.pem")
TLS.check_hostname = False  # its certificate bears the names of a cluster's API server
NAMESPACE = "database"


def request(method, path, body=None, content_type="application/json", token=TOKEN):
    """(status, answer as JSON or text)."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body, default=str).encode()
    asked = urllib.request.Request(URL + path, data, method=method, headers={
        "Authorization": "Bearer " + token, "Content-Type": content_type})
    try:
        with urllib.request.urlopen(asked, timeout=30, context=TLS) as answer:
            text, status = answer.read().decode(), answer.status
    except urllib.error.HTTPError as error:
        text, status = error.read().decode(), error.code
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def wait_for(what, condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"gave up waiting until {what}")
        time.sleep(0.2)


def version_key(path):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path)]


def install_definitions():
    """The newest of each that there is."""
    newest = {}
    for file in sorted(glob.glob(f"{crds}/*/*.yaml"), key=version_key):
        for crd in yaml.load_all(open(file), Loader=yaml.CSafeLoader):
            if crd and crd.get("kind") == "CustomResourceDefinition":
                newest[crd["metadata"]["name"]] = crd
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for name, crd in newest.items():
        status, answer = request("POST", path, crd)
        if status not in (201, 409):
            sys.exit(f"{name}: {status} {answer}")
    for name, crd in newest.items():
        version = next(one["name"] for one in crd["spec"]["versions"] if one["served"])
        group = crd["spec"]["group"]
        wait_for(f"{name} is served", lambda: request(
            "GET", f"/apis/{group}/{version}/{crd['spec']['names']['plural']}?limit=1")[0] == 200)
    print(f"{len(newest)} definitions")


served = {}


def resource_of(api_version, kind):
    if api_version not in served:
        path = "/apis/" + api_version if "/" in api_version else "/api/" + api_version
        served[api_version] = {one["kind"]: one for one in request("GET", path)[1]["resources"]
                               if "/" not in one["name"]}
    return served[api_version][kind]


def apply(file, one):
    api, kind, meta = one["apiVersion"], one["kind"], one["metadata"]
    resource = resource_of(api, kind)
    path = ("/apis/" if "/" in api else "/api/") + api
    if resource["namespaced"]:
        if "namespace" not in meta:
            meta = one["metadata"] = {**meta, "namespace": NAMESPACE}
        path += "/namespaces/" + meta["namespace"]
    path += f"/{resource['name']}/{meta['name']}?fieldManager=test&force=true&fieldValidation=Strict"
    status, answer = request("PATCH", path, one, "application/apply-patch+yaml")
    if status not in (200, 201):
        message = answer.get("message", answer) if isinstance(answer, dict) else answer
        print(f"{os.path.basename(file)}: {kind} {meta['name']}: {status} {message}")
        return False
    return True


def apply_all():
    for name in (NAMESPACE, "cnpg-system", "longhorn-system", "tailscale", "monitoring"):
        request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    done, failed = 0, 0
    for file in manifests:
        for one in yaml.load_all(open(file), Loader=yaml.CSafeLoader):
            if not one or one.get("apiVersion", "").startswith("kustomize.config.k8s.io/"):
                continue
            done, failed = (done + 1, failed) if apply(file, one) else (done, failed + 1)
    print(f"{done} objects applied, {failed} refused")
    if failed or done < 40:
        sys.exit(1)


def may(verb, resource, group="", name=""):
    account = f"system:serviceaccount:{NAMESPACE}:keelwatch"
    resource, _, sub = resource.partition("/")
    status, answer = request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": {
        "user": account, "groups": ["system:serviceaccounts", "system:authenticated"],
        "resourceAttributes": {"verb": verb, "resource": resource, "subresource": sub, "group": group,
                               "name": name}}})
    return answer["status"]["allowed"]


def check_rights():
    for verb, resource, group, want in (
            ("watch", "pods", "", True), ("get", "nodes/metrics", "", True), ("get", "nodes/proxy", "", False),
            ("get", "secrets", "", False), ("list", "secrets", "", False), ("list", "configmaps", "", False),
            ("list", "leases", "coordination.k8s.io", False), ("create", "pods/exec", "", False),
            ("patch", "clusters", "postgresql.cnpg.io", False)):
        if may(verb, resource, group) != want:
            sys.exit(f"keelwatch may {'not ' * want}{verb} {resource}")


def refused():
    """How many requests the API server has refused for want of a right."""
    page = request("GET", "/metrics")[1]
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines()
               if line.startswith("apiserver_request_total{") and 'code="403"' in line)


def samples(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode().splitlines()


def run_keelwatch(folder):
    status, answer = request("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/keelwatch/token",
                             {"spec": {"expirationSeconds": 3600}})
    if status != 201:
        sys.exit(f"no token: {answer}")
    kubeconfig = {"apiVersion": "v1", "kind": "Config", "current-context": "x",
                  "clusters": [{"name": "x", "cluster": {"server": URL, "certificate-authority": kube + "/ca.pem"}}],
                  "users": [{"name": "x", "user": {"token": answer["status"]["token"]}}],
                  "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}
    # The shipped configuration, and the one thing that is different outside of a Pod.
    config = yaml.safe_load(request("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/keelwatch")[1]["data"]["keelwatch.yaml"])
    config["kubernetes"] = {"kubeconfig": folder + "/kubeconfig"}
    with open(os.open(folder + "/kubeconfig", os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        yaml.safe_dump(kubeconfig, file)
    with open(folder + "/keelwatch.yaml", "w") as file:
        yaml.safe_dump(config, file)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = open(folder + "/log", "w")
    return port, subprocess.Popen([program, "--config.file", folder + "/keelwatch.yaml", "--web.listen-address",
                                   f"127.0.0.1:{port}"], stderr=log)


def watch():
    before = refused()
    with tempfile.TemporaryDirectory() as folder:
        port, process = run_keelwatch(folder)

        def sees_the_cluster():
            if process.poll() is not None:
                sys.exit(open(folder + "/log").read()[-3000:])
            try:
                return any(line.startswith('keelwatch_cluster_info{namespace="database",cluster="pg"')
                           for line in samples(port))
            except OSError:
                return False

        def steps():
            return next(float(line.rsplit(" ", 1)[1]) for line in samples(port)
                        if line.startswith("keelwatch_steps_total "))

        try:
            wait_for("keelwatch sees the Cluster", sees_the_cluster)
            # By then every kind was listed and is watched, and the API server was checked more than once.
            enough = steps() + 3
            wait_for("keelwatch has gone on", lambda: steps() >= enough)
            page = samples(port)
        finally:
            process.terminate()
            process.wait(20)
    up = {re.search(r'target="([^"]*)"', line).group(1): line.rsplit(" ", 1)[1] for line in page
          if line.startswith('keelwatch_source_up{source="kubernetes"')}
    down = [target for target, value in up.items() if value != "1"]
    more = refused() - before
    print(f"keelwatch reads {len(up)} targets of the API server; down: {down or 'none'}; refused requests: {more:.0f}")
    if down or more or len(up) < 10:
        sys.exit(1)


install_definitions()
apply_all()
check_rights()
watch()
