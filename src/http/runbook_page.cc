#include "http/runbook_page.h"

#include <utility>

#include "http/markdown.h"

namespace keelwatch::http {
namespace {

constexpr std::string_view kFolder = "rules/runbooks/";
constexpr std::string_view kSuffix = ".md";

std::string page(std::string_view title, std::string_view content) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>";
  out.append(escape_html(title)).append(" - keelwatch</title>\n");
  out +=
      "<link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n"
      "<nav><a href=\"/\">keelwatch</a> <a href=\"/runbooks/\">runbooks</a></nav>\n<main>\n";
  out.append(content).append("</main>\n</body>\n</html>\n");
  return out;
}

std::string replaced(std::string_view text, std::string_view what, std::string_view with) {
  std::string out;
  for (;;) {
    const auto at = text.find(what);
    out.append(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    out.append(with);
    text.remove_prefix(at + what.size());
  }
}

Response list_of_runbooks(const std::vector<EmbeddedFile>& files) {
  std::string content = "<h1>Runbooks</h1>\n<ul>\n";
  bool any = false;
  for (const EmbeddedFile& file : files) {
    if (!file.name.starts_with(kFolder) || !file.name.ends_with(kSuffix)) continue;
    std::string_view name = file.name.substr(kFolder.size());
    name.remove_suffix(kSuffix.size());
    const std::string shown = escape_html(name);
    content += "<li><a href=\"/runbooks/" + shown + "\">" + shown + "</a></li>\n";
    any = true;
  }
  content += any ? "</ul>\n" : "</ul>\n<p>This build holds none.</p>\n";
  return Response::html(200, page("Runbooks", content));
}

}  // namespace

Response runbook_page(const std::vector<EmbeddedFile>& files, std::string_view name) {
  if (name.empty()) return list_of_runbooks(files);
  const std::string wanted = std::string(kFolder) + std::string(name) + std::string(kSuffix);
  for (const EmbeddedFile& file : files) {
    if (file.name == wanted) {
      return Response::html(200, page(name, markdown_to_html(file.content)));
    }
  }
  return Response::html(
      404, page("No such runbook", "<h1>No such runbook</h1>\n<p>Nothing here is called <code>" +
                                       escape_html(name) +
                                       "</code>. <a href=\"/runbooks/\">All runbooks</a></p>\n"));
}

void add_pages(Router& router, const PageOptions& options) {
  std::string landing(embedded_file("page/index.html").value_or(""));
  landing = replaced(landing, "{{version}}", escape_html(options.version));
  landing = replaced(landing, "{{telemetry_path}}", escape_html(options.telemetry_path));
  Response index = Response::html(200, std::move(landing));
  Response style = Response::text(200, std::string(embedded_file("page/style.css").value_or("")));
  style.content_type = "text/css; charset=utf-8";
  style.headers.push_back({"Cache-Control", "max-age=3600"});

  router.add("GET", "/", Immediate{[index](const Request&) { return index; }});
  router.add("GET", "/style.css", Immediate{[style](const Request&) { return style; }});
  router.add("GET", "/runbooks", Immediate{[](const Request&) {
               Response r = Response::text(308, "");
               r.headers.push_back({"Location", "/runbooks/"});
               return r;
             }});
  router.add_prefix("GET", "/runbooks/", Immediate{[](const Request& request) {
                      const std::string_view path = request.path;
                      return runbook_page(embedded_files(),
                                          path.substr(std::string_view("/runbooks/").size()));
                    }});
}

}  // namespace keelwatch::http
