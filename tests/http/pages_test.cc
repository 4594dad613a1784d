#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "http/embedded.h"
#include "http/markdown.h"
#include "http/negotiation.h"
#include "http/runbook_page.h"
#include "tests/http/test_server.h"

namespace keelwatch::http {
namespace {

using testing::Answer;
using testing::RawClient;
using testing::TestServer;

TEST_CASE("runbooks become HTML, and nothing in them becomes more than text", "[http][page]") {
  struct Case {
    const char* name;
    const char* markdown;
    const char* html;
  };
  const Case cases[] = {
      {"heading", "## What *now*?", "<h2>What <em>now</em>?</h2>\n"},
      {"paragraphs", "one\ntwo\n\nthree\n", "<p>one\ntwo</p>\n<p>three</p>\n"},
      {"list", "- a\n- b `c<d`\n", "<ul>\n<li>a</li>\n<li>b <code>c&lt;d</code></li>\n</ul>\n"},
      {"nested list", "1. a\n   - b\n   - c\n2. d\n",
       "<ol>\n<li>a<ul>\n<li>b</li>\n<li>c</li>\n</ul>\n</li>\n<li>d</li>\n</ol>\n"},
      {"item over two lines", "- a\n  b\n", "<ul>\n<li>a\nb</li>\n</ul>\n"},
      {"text after a list", "- a\n\nb\n", "<ul>\n<li>a</li>\n</ul>\n<p>b</p>\n"},
      {"fence", "```sh\nkubectl get <x> # **no**\n```\n",
       "<pre><code>kubectl get &lt;x&gt; # **no**\n</code></pre>\n"},
      {"open fence", "```\na", "<pre><code>a\n</code></pre>\n"},
      {"table", "| a | b |\n|---|---|\n| 1 | `2` |\n",
       "<table>\n<tr><th>a</th><th>b</th></tr>\n<tr><td>1</td><td><code>2</code></td></tr>\n"
       "</table>\n"},
      {"quote", "> a\n> b\n", "<blockquote><p>a\nb</p>\n</blockquote>\n"},
      {"bold and link", "**see** [docs](https://x.example/a?b=1&c)",
       "<p><strong>see</strong> <a href=\"https://x.example/a?b=1&amp;c\">docs</a></p>\n"},
      {"snake_case stays", "pg_stat_replication * 2", "<p>pg_stat_replication * 2</p>\n"},
      {"HTML", "<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"},
      {"script link", "[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"},
      {"data link", "[x](data:text/html,a)", "<p>[x](data:text/html,a)</p>\n"},
      {"other site without scheme", "[x](//evil.example)", "<p>[x](//evil.example)</p>\n"},
      {"quote in link", "[x](/a\"onclick=b)", "<p><a href=\"/a&quot;onclick=b\">x</a></p>\n"},
      {"entity", "&lt;", "<p>&amp;lt;</p>\n"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(markdown_to_html(c.markdown) == c.html);
  }
}

TEST_CASE("a runbook is served under its alert's name, and only a runbook", "[http][page]") {
  const std::vector<EmbeddedFile> files = {{"page/style.css", "css"},
                                           {"rules/runbooks/A.md", "# A\n"},
                                           {"rules/runbooks/B.md", "# B\n"}};
  const Response a = runbook_page(files, "A");
  CHECK(a.status == 200);
  CHECK(a.body->find("<h1>A</h1>") != std::string::npos);
  const Response list = runbook_page(files, "");
  CHECK(list.body->find("<a href=\"/runbooks/B\">B</a>") != std::string::npos);
  for (const char* name : {"C", "../../page/style.css", "A.md", "<b>"}) {
    const Response r = runbook_page(files, name);
    CHECK(r.status == 404);
    CHECK(r.body->find("<b>") == std::string::npos);
  }
}

TEST_CASE("embedded files are the files of the tree", "[http][page]") {
  for (const EmbeddedFile& file : embedded_files()) {
    const std::string name(file.name);
    const std::string path =
        std::string(KEELWATCH_SOURCE_DIR) + (name.starts_with("page/") ? "/src/http/" : "/") + name;
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    INFO(path);
    CHECK(in.is_open());
    CHECK(text.str() == file.content);
  }
  CHECK(embedded_file("page/index.html"));
  CHECK_FALSE(embedded_file("page"));
}

TEST_CASE("the landing page links to what there is and runs no script", "[http][page]") {
  Router router;
  add_pages(router, {"1.2.3 <x>", "/my-metrics"});
  TestServer server({}, nullptr, {"127.0.0.1:0"}, std::move(router));
  RawClient client(server.address());
  const Answer a = client.get("/");
  CHECK(a.status == 200);
  CHECK(a.header("Content-Type") == "text/html; charset=utf-8");
  CHECK(a.header("Content-Security-Policy")->starts_with("default-src 'none'; "));
  CHECK(a.body.find("href=\"/my-metrics\"") != std::string::npos);
  CHECK(a.body.find("1.2.3 &lt;x&gt;") != std::string::npos);
  CHECK(a.body.find("{{") == std::string::npos);
  CHECK(a.body.find("<script") == std::string::npos);
  CHECK(client.get("/style.css").header("Content-Type") == "text/css; charset=utf-8");
  CHECK(client.get("/runbooks").header("Location") == "/runbooks/");
  CHECK(client.get("/runbooks/").status == 200);
  CHECK(client.get("/runbooks/NoSuchAlert").status == 404);
}

TEST_CASE("gzip is chosen by weight and never forced", "[http]") {
  struct Case {
    const char* header;
    bool gzip;
  };
  const Case cases[] = {
      {"", false},
      {"gzip", true},
      {"GZIP", true},
      {"deflate, gzip;q=1.0, *;q=0.5", true},
      {"gzip;q=0", false},
      {"gzip; q=0.0", false},
      {"*", true},
      {"*;q=0", false},
      {"br", false},
      {"identity", false},
      {"identity;q=0, gzip", true},
      {"gzip;q=0.5, identity", false},
      {"gzip;q=0.5, identity;q=0.5", true},
      {"gzip;q=x", false},
      {"gzip;q=2", false},
      {"gzip;;q=0", false},
      {" , gzip ,", true},
      {"gzipped", false},
      {";q=1", false},
  };
  for (const Case& c : cases) {
    INFO(c.header);
    CHECK(prefers_gzip(c.header) == c.gzip);
  }
}

TEST_CASE("a request that another site made a browser send is known", "[http]") {
  struct Case {
    const char* name;
    std::vector<Header> headers;
    bool cross;
  };
  const Case cases[] = {
      {"curl", {{"Host", "k:1"}}, false},
      {"own page", {{"Host", "k:1"}, {"Origin", "http://k:1"}}, false},
      {"own page by fetch metadata", {{"Sec-Fetch-Site", "same-origin"}}, false},
      {"typed address", {{"Sec-Fetch-Site", "none"}}, false},
      {"other site", {{"Host", "k:1"}, {"Origin", "http://evil:1"}}, true},
      {"other port", {{"Host", "k:1"}, {"Origin", "http://k:2"}}, true},
      {"sibling", {{"Sec-Fetch-Site", "same-site"}}, true},
      {"sandboxed frame", {{"Host", "k:1"}, {"Origin", "null"}}, true},
      {"metadata wins",
       {{"Host", "k"}, {"Origin", "http://k"}, {"sec-fetch-site", "cross-site"}},
       true},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Request r;
    r.headers = c.headers;
    CHECK(is_cross_site(r) == c.cross);
  }
}

TEST_CASE("a longer prefix wins over a shorter one, an exact path over both", "[http]") {
  Router router;
  const auto named = [](std::string name) {
    return Immediate{[name](const Request&) { return Response::text(200, name); }};
  };
  router.add_prefix("GET", "/", named("root"));
  router.add_prefix("GET", "/a/", named("a"));
  router.add_prefix("GET", "/a/b/", named("ab"));
  router.add("GET", "/a/b/c", named("exact"));
  const auto answer = [&](std::string_view path) {
    const auto found = router.find("GET", path);
    return *std::get<Immediate>(*std::get<const Handler*>(found)).run({}).body;
  };
  CHECK(answer("/x") == "root");
  CHECK(answer("/a") == "root");
  CHECK(answer("/a/x") == "a");
  CHECK(answer("/a/b/x") == "ab");
  CHECK(answer("/a/b/c") == "exact");
}

}  // namespace
}  // namespace keelwatch::http
