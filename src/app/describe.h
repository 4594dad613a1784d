// `keelwatch describe metrics|rules|config`: what the program exports, alerts on and can be told,
// from the declarations that it runs on. README.md's tables are this output; a test compares them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "metrics/family.h"

namespace keelwatch::app {

enum class DescribeFormat { kText, kJson, kMarkdown };

// Every family that the program exports.
[[nodiscard]] std::vector<const metrics::Family*> described_families();

// Every family: name, type, labels, help. JSON: [{name,type,labels,help}].
[[nodiscard]] std::string describe_metrics(DescribeFormat format);

// Every alert of the bundled rule files: name, severity, for, what it says. JSON:
// [{alert,file,severity,for,summary,runbook_url}]. Errors: kInvalid (a bundled file does not read).
[[nodiscard]] Result<std::string> describe_rules(DescribeFormat format);

// Every setting: name, type, default, meaning.
[[nodiscard]] std::string describe_config(DescribeFormat format);

}  // namespace keelwatch::app
