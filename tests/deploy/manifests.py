"""Checks the YAML under deploy/ against the schemas of CRDs: manifests.py CRDS_FOLDER. See tests/deploy/manifests."""

import glob
import json
import os
import re
import sys

import jsonschema
import yaml

CRDS = sys.argv[1]
# An enum of the Prometheus Operator has a plain =, which YAML 1.1 gives a meaning of its own.
yaml.CSafeLoader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)
problems = []


def complain(file, text):
    problems.append(f"{file}: {text}")


def closed(schema):
    """The schema with every object closed: an unknown field is an error, as under strict validation."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: ({name: closed(one) for name, one in value.items()} if key == "properties" else closed(value))
           for key, value in schema.items() if key not in ("description", "x-kubernetes-validations")}
    if (out.get("type") == "object" and "properties" in out and "additionalProperties" not in out
            and not out.get("x-kubernetes-preserve-unknown-fields")):
        out["additionalProperties"] = False
    if out.pop("x-kubernetes-int-or-string", False):
        out = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    if out.get("x-kubernetes-embedded-resource"):
        out.pop("additionalProperties", None)
    if out.pop("nullable", False) and "type" in out:
        out["type"] = [out["type"], "null"]
    return out


def schemas():
    """(group/version, kind) -> [(folder of the CRD, schema)], a schema for each version of the project."""
    found = {}
    for file in sorted(glob.glob(f"{CRDS}/*/*.yaml")):
        for crd in yaml.load_all(open(file), Loader=yaml.CSafeLoader):
            if not crd or crd.get("kind") != "CustomResourceDefinition":
                continue
            for version in crd["spec"]["versions"]:
                schema = closed(version["schema"]["openAPIV3Schema"])
                schema["properties"].update(apiVersion={"type": "string"}, kind={"type": "string"},
                                            metadata={"type": "object"})
                key = (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"])
                found.setdefault(key, []).append((os.path.basename(os.path.dirname(file)), schema))
    return found


# What newer releases brought. Against the older ones in CRDS these fields are left out.
NEWER = {
    "Pooler": [("cnpg-v1.24.4", "spec.monitoring.tls"), ("cnpg-v1.27.1", "spec.monitoring.tls")],
}


def without(object_, path):
    """A copy of the object without the field at that path."""
    copy = json.loads(json.dumps(object_, default=str))
    *folders, last = path.split(".")
    at = copy
    for name in folders:
        at = at.get(name, {})
    at.pop(last, None)
    return copy


def check_object(file, object_, known):
    api, kind = object_["apiVersion"], object_["kind"]
    if kind == "Secret":
        complain(file, "a Secret is shipped: secrets are made by hand")
    if "." not in api or api.endswith("k8s.io/v1") or api.endswith("k8s.io/v1beta1"):
        return 0
    if (api, kind) not in known:
        complain(file, f"no CRD of {kind} of {api} in {CRDS}")
        return 0
    for release, schema in known[api, kind]:
        one = json.loads(json.dumps(object_, default=str))
        for old, path in NEWER.get(kind, []):
            if old == release:
                one = without(one, path)
        for error in jsonschema.Draft7Validator(schema).iter_errors(one):
            where = ".".join(str(part) for part in error.absolute_path)
            complain(file, f"{kind} {object_['metadata']['name']}: {release}: {where}: {error.message[:200]}")
    return 1


def check_kustomization(file, one):
    folder = os.path.dirname(file)
    named = one.get("resources", []) + one.get("components", [])
    named += [patch["path"] for patch in one.get("patches", []) if "path" in patch]
    named += [path for made in one.get("configMapGenerator", []) for path in made.get("files", [])]
    for path in named:
        if path.startswith("https://"):
            if not re.search(r"/v?\d+\.\d+\.\d+/", path):
                complain(file, f"{path} names no version")
        elif not os.path.exists(os.path.join(folder, path)):
            complain(file, f"{path} is not there")
    for path in glob.glob(f"{folder}/*.yaml") if "/keelwatch/" in file or "/stack/" in file else []:
        name = os.path.basename(path)
        if name not in named and name not in LOOSE and not path == file:
            complain(file, f"does not name {name}")


# Files beside a kustomization that are not for it.
LOOSE = {"values.yaml", "egress-bucket.yaml"}
# Parts of objects, laid over those of the base.
PATCHES = {"deploy/keelwatch/components/tailscale-sidecar/sidecar.yaml",
           "deploy/keelwatch/components/two-replicas/replicas.yaml"}


def check_rules():
    """The PrometheusRules say what rules/ says, comments apart."""
    made = {}
    for one in yaml.safe_load_all(open("deploy/keelwatch/components/prometheus-rule/rules.yaml")):
        made[one["metadata"]["name"]] = one["spec"]
    source = {"keelwatch-" + os.path.basename(file)[:-5]: yaml.safe_load(open(file))
              for file in glob.glob("rules/*.yaml")}
    if made != source:
        complain("deploy/keelwatch/components/prometheus-rule/rules.yaml", "differs from rules/")


def load(path):
    return yaml.safe_load(open(path))


def check_base():
    """What the base promises: core kinds only, no privilege, optional Secrets that are read anew."""
    folder = "deploy/keelwatch/base/"
    for name in load(folder + "kustomization.yaml")["resources"]:
        api = load(folder + name)["apiVersion"]
        if api not in ("v1", "apps/v1", "rbac.authorization.k8s.io/v1"):
            complain(folder + name, f"{api} is not in every cluster")
    file = folder + "deployment.yaml"
    spec = load(file)["spec"]["template"]["spec"]
    container = spec["containers"][0]
    asked = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    if container["securityContext"] != asked or not spec["securityContext"]["runAsNonRoot"]:
        complain(file, "it may more than it needs")
    for mount in container["volumeMounts"]:
        if "subPath" in mount:
            complain(file, f"{mount['mountPath']}: with subPath a file stays as it was at the start")
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    for volume in spec["volumes"]:
        secret = volume.get("secret")
        if secret and (not secret.get("optional") or not mounted[volume["name"]].startswith("/etc/keelwatch/secrets/")):
            complain(file, f"Secret {secret['secretName']}: optional, below /etc/keelwatch/secrets")
        if secret and secret["secretName"].endswith("-ca") and [one["key"] for one in secret["items"]] != ["ca.crt"]:
            complain(file, f"Secret {secret['secretName']}: the CA's key is mounted")
        if "persistentVolumeClaim" in volume:
            complain(file, "its state must not lie on the storage that it watches")
    base = load(folder + "keelwatch.yaml")
    for path in glob.glob("deploy/keelwatch/overlays/*/keelwatch.yaml"):
        if {key: value for key, value in load(path).items() if key in base} != base:
            complain(path, f"differs from {folder}keelwatch.yaml in what that sets")
    used = set(re.findall(r"/etc/keelwatch/secrets/[\w-]+", json.dumps(base)))
    if used != {path for path in mounted.values() if "/secrets/" in path}:
        complain(file, f"the configuration names {sorted(used)}, mounted are {sorted(mounted.values())}")


def check_dashboards():
    listed = [path for made in yaml.safe_load(open("dashboards/kustomization.yaml"))["configMapGenerator"]
              for path in made["files"]]
    there = sorted(os.path.basename(path) for path in glob.glob("dashboards/*.json"))
    for name in sorted(set(there) ^ set(listed)):
        complain("dashboards/kustomization.yaml", f"{name} is {'not listed' if name in there else 'not there'}")


def check_policy():
    """HuJSON: comments and a comma before a bracket are allowed. Each tag that is used has an owner."""
    file = "deploy/stack/tailscale/policy.hujson"
    text = re.sub(r"^\s*//.*$", "", open(file).read(), flags=re.M)
    policy = json.loads(re.sub(r",(\s*[\]}])", r"\1", text))
    for tag in sorted(set(re.findall(r'"(tag:[a-z0-9-]+)"', json.dumps(policy))) - set(policy["tagOwners"])):
        complain(file, f"{tag} has no owner")
    used = "".join(open(path).read() for path in glob.glob("deploy/stack/**/*.yaml", recursive=True))
    for tag in sorted(set(re.findall(r"\btag:[a-z0-9-]+", used)) - set(policy["tagOwners"])):
        complain(file, f"deploy/stack uses {tag}, which has no owner here")
    services = {"svc:" + name for name in re.findall(r"tailscale.com/hostname: (\S+)", used)}
    granted = {name for grant in policy["grants"] for name in grant["dst"]}
    if services != granted:
        complain(file, f"the Services are {sorted(services)}, granted are {sorted(granted)}")


def check_readmes():
    """Each path under deploy/ that a README names is there."""
    for readme in ("README.md", "deploy/stack/README.md"):
        for path in sorted(set(re.findall(r"(?<![/\w])deploy/[\w./-]*\w", open(readme).read()))):
            if not os.path.exists(path):
                complain(readme, f"{path} is not there")


def main():
    known = schemas()
    files = sorted(set(glob.glob("deploy/keelwatch/**/*.yaml", recursive=True))
                   | set(glob.glob("deploy/stack/**/*.yaml", recursive=True))
                   | set(glob.glob("deploy/alertmanager/*.yaml")) | {"dashboards/kustomization.yaml"})
    objects = 0
    for file in files:
        if file in PATCHES:
            continue
        for one in yaml.load_all(open(file), Loader=yaml.CSafeLoader):
            if not isinstance(one, dict) or "kind" not in one:
                continue
            if one["apiVersion"].startswith("kustomize.config.k8s.io/"):
                check_kustomization(file, one)
            else:
                objects += check_object(file, one, known)
    check_rules()
    check_base()
    check_dashboards()
    check_policy()
    check_readmes()
    print("\n".join(problems) or f"{objects} objects of watched operators in {len(files)} files fit their schemas")
    return 1 if problems else 0


sys.exit(main())
