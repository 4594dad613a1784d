#include "rules/template.h"

#include <fmt/format.h>

#include <algorithm>

#include "promql/printer.h"
#include "rules/template_functions.h"
#include "rules/template_tree.h"
#include "rules/template_value.h"

namespace keelwatch::rules {
namespace {

using Kind = TemplateNode::Kind;
using Value = TemplateValue;
using Nothing = TemplateValue::Nothing;

// How a list of nodes ended.
enum class Flow { kOn, kBreak, kContinue };

std::string_view type_text(TemplateType type) {
  switch (type) {
    case TemplateType::kString:
      return "string";
    case TemplateType::kSample:
      return "*template.sample";
    case TemplateType::kSamples:
      return "template.queryResult";
    case TemplateType::kAny:
      break;
  }
  return "interface {}";
}

bool fits(const Value& value, TemplateType type) {
  switch (type) {
    case TemplateType::kAny:
      return true;
    case TemplateType::kString:
      return value.as<std::string>() != nullptr;
    case TemplateType::kSample:
      return value.as<TemplateSamplePtr>() != nullptr;
    case TemplateType::kSamples:
      return value.as<TemplateSamples>() != nullptr;
  }
  return false;
}

TemplateLabels label_map(const Labels& labels) {
  auto map = std::make_shared<std::map<std::string, std::string>>();
  for (const LabelView label : labels) map->emplace(label.name, label.value);
  return map;
}

// text/template/exec.go. Every function that can fail returns false and leaves error_.
class Execution {
 public:
  Execution(std::string_view text, const TemplateData& data, const TemplateEnvironment& environment)
      : text_(text), work_{environment, data} {
    variables_.push_back({"$", {Value::Root{&data}}});
    variables_.push_back({"$labels", {label_map(data.labels)}});
    variables_.push_back({"$externalLabels", {label_map(data.external_labels)}});
    variables_.push_back({"$externalURL", {data.external_url}});
    variables_.push_back({"$value", {data.value}});
  }

  Result<std::string> run(const std::vector<TemplateNode>& nodes) {
    Flow flow = Flow::kOn;
    if (!walk(nodes, variables_.front().value, flow)) return *error_;
    return std::move(out_);
  }

 private:
  struct Variable {
    std::string_view name;
    Value value;
  };

  [[nodiscard]] std::string place() const {
    const std::string text = std::string(kTemplateProlog) + std::string(text_);
    const std::size_t at = std::min(node_->at + kTemplateProlog.size(), text.size());
    const std::string_view before(text.data(), at);
    const std::size_t line = before.rfind('\n');
    const std::size_t column = line == std::string_view::npos ? at : at - line - 1;
    return fmt::format("{}:{}:{}", work_.environment.name,
                       1 + std::count(before.begin(), before.end(), '\n'), column);
  }

  bool fail(const std::string& problem, ErrorCode code = ErrorCode::kInvalid) {
    if (error_) return false;
    const std::string& name = work_.environment.name;
    error_ = Error(
        code, fmt::format("error executing template {}: template: {}: executing {} at <{}>: {}",
                          name, place(), promql::quote(name), to_text(*node_), problem));
    return false;
  }

  bool step(const TemplateNode& node) {
    node_ = &node;
    if (++work_.steps > Template::kMaxSteps || work_.bytes > 64 * Template::kMaxOutput) {
      return fail("it takes too much work", ErrorCode::kTooLarge);
    }
    return true;
  }

  bool print(std::string_view text) {
    out_ += text;
    work_.bytes += text.size();
    if (out_.size() <= Template::kMaxOutput) return true;
    return fail(fmt::format("the text is longer than {} bytes", Template::kMaxOutput),
                ErrorCode::kTooLarge);
  }

  // Statements.

  bool walk(const std::vector<TemplateNode>& nodes, const Value& dot, Flow& flow) {
    for (const TemplateNode& node : nodes) {
      if (!step(node) || !walk_one(node, dot, flow)) return false;
      if (flow != Flow::kOn) break;
    }
    return true;
  }

  bool walk_one(const TemplateNode& node, const Value& dot, Flow& flow) {
    switch (node.kind) {
      case Kind::kText:
        return print(node.text);
      case Kind::kAction: {
        Value value;
        if (!pipeline(node.children.front(), dot, value)) return false;
        return !node.children.front().names.empty() || print(go_text(value));
      }
      case Kind::kBreak:
        flow = Flow::kBreak;
        return true;
      case Kind::kContinue:
        flow = Flow::kContinue;
        return true;
      case Kind::kRange:
        return range(node, dot, flow);
      default:
        return branch(node, dot, flow);
    }
  }

  bool branch(const TemplateNode& node, const Value& dot, Flow& flow) {
    const std::size_t mark = variables_.size();
    Value value;
    if (!pipeline(node.children.front(), dot, value)) return false;
    const bool truth = is_true(value);
    const bool done = walk(truth ? node.body : node.otherwise,
                           truth && node.kind == Kind::kWith ? value : dot, flow);
    variables_.resize(mark);
    return done;
  }

  bool range(const TemplateNode& node, const Value& dot, Flow& flow) {
    const std::size_t mark = variables_.size();
    const TemplateNode& pipe = node.children.front();
    Value value;
    if (!pipeline(pipe, dot, value)) return false;
    std::vector<std::pair<Value, Value>> items;
    if (!items_of(value, items)) return false;
    const std::size_t inner = variables_.size();
    Flow inside = Flow::kOn;
    for (const auto& [key, item] : items) {
      bind(pipe, key, item);
      if (!walk(node.body, item, inside)) return false;
      variables_.resize(inner);
      if (std::exchange(inside, Flow::kOn) == Flow::kBreak) break;
    }
    const bool done = !items.empty() || walk(node.otherwise, dot, flow);
    variables_.resize(mark);
    return done;
  }

  void bind(const TemplateNode& pipe, const Value& key, const Value& item) {
    if (pipe.names.empty()) return;
    variable(pipe.names.back())->value = item;
    if (pipe.names.size() > 1) variable(pipe.names.front())->value = key;
  }

  bool items_of(const Value& value, std::vector<std::pair<Value, Value>>& items) {
    if (const auto* samples = value.as<TemplateSamples>()) {
      std::int64_t i = 0;
      for (const TemplateSamplePtr& sample : **samples) items.push_back({{i++}, {sample}});
    } else if (const auto* labels = value.as<TemplateLabels>()) {
      for (const auto& [name, text] : **labels) items.push_back({{name}, {text}});
    } else if (const auto* args = value.as<TemplateArgs>()) {
      for (const auto& [name, arg] : **args) items.push_back({{name}, arg});
    } else if (const auto* count = value.as<std::int64_t>()) {
      work_.steps += static_cast<std::size_t>(std::max<std::int64_t>(*count, 0));
      if (work_.steps > Template::kMaxSteps) {
        return fail("it takes too much work", ErrorCode::kTooLarge);
      }
      for (std::int64_t i = 0; i < *count; ++i) items.push_back({{i}, {i}});
    } else if (value.as<Nothing>() == nullptr) {
      return fail(fmt::format("range can't iterate over {}", go_text(value)));
    }
    return true;
  }

  // Expressions.

  bool pipeline(const TemplateNode& pipe, const Value& dot, Value& out) {
    if (!step(pipe)) return false;
    const Value* final = nullptr;
    Value value;
    for (const TemplateNode& command : pipe.children) {
      Value next;
      if (!run_command(command, dot, final, next)) return false;
      value = std::move(next);
      final = &value;
    }
    for (const std::string& name : pipe.names) {
      if (pipe.assigns) {
        variable(name)->value = value;
      } else {
        variables_.push_back({name, value});
      }
    }
    out = std::move(value);
    return true;
  }

  Variable* variable(std::string_view name) {
    const auto found = std::find_if(variables_.rbegin(), variables_.rend(),
                                    [&](const Variable& v) { return v.name == name; });
    return found == variables_.rend() ? &variables_.front() : &*found;
  }

  bool run_command(const TemplateNode& command, const Value& dot, const Value* final, Value& out) {
    const TemplateNode& first = command.children.front();
    const std::span<const TemplateNode> args(command.children.data() + 1,
                                             command.children.size() - 1);
    switch (first.kind) {
      case Kind::kField:
        return step(first) && fields(first, dot, first.names, args, final, out);
      case Kind::kChain:
        return chain(first, dot, args, final, out);
      case Kind::kIdentifier:
        return call(first, command, dot, args, final, out);
      case Kind::kPipe:
        return no_function(first, args, final) && pipeline(first, dot, out);
      case Kind::kVariable:
        return variable_value(first, dot, args, final, out);
      default:
        break;
    }
    if (!step(first) || !no_function(first, args, final)) return false;
    if (first.kind == Kind::kNil) return fail("nil is not a command");
    return literal(first, dot, out);
  }

  bool no_function(const TemplateNode& first, std::span<const TemplateNode> args,
                   const Value* final) {
    if (args.empty() && final == nullptr) return true;
    return fail(fmt::format("can't give argument to non-function {}", to_text(first)));
  }

  bool literal(const TemplateNode& node, const Value& dot, Value& out) {
    switch (node.kind) {
      case Kind::kBool:
        out.value = node.truth;
        return true;
      case Kind::kDot:
        out = dot;
        return true;
      case Kind::kString:
        out.value = node.text;
        return true;
      case Kind::kNumber:
        if (node.integer) {
          out.value = *node.integer;
        } else {
          out.value = node.number;
        }
        return true;
      default:
        return fail(fmt::format("can't evaluate command {}", to_text(node)));
    }
  }

  bool variable_value(const TemplateNode& node, const Value&, std::span<const TemplateNode> args,
                      const Value* final, Value& out) {
    if (!step(node)) return false;
    const Value value = variable(node.names.front())->value;
    if (node.names.size() == 1) {
      if (!no_function(node, args, final)) return false;
      out = value;
      return true;
    }
    const std::vector<std::string> names(node.names.begin() + 1, node.names.end());
    return fields(node, value, names, args, final, out);
  }

  bool chain(const TemplateNode& node, const Value& dot, std::span<const TemplateNode> args,
             const Value* final, Value& out) {
    if (!step(node)) return false;
    const TemplateNode& base = node.children.front();
    if (base.kind == Kind::kNil)
      return fail("indirection through explicit nil in " + to_text(node));
    Value value;
    if (!argument(base, dot, TemplateType::kAny, value)) return false;
    return fields(node, value, node.names, args, final, out);
  }

  // Arguments belong to the last field, which only a method takes.
  bool fields(const TemplateNode&, const Value& from, const std::vector<std::string>& names,
              std::span<const TemplateNode> args, const Value* final, Value& out) {
    Value value = from;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const bool last = i + 1 == names.size();
      std::vector<Value> given;
      if (last && !evaluate_all(args, from, final, given)) return false;
      Value next;
      if (!field(value, names[i], given, next)) return false;
      value = std::move(next);
    }
    out = std::move(value);
    return true;
  }

  bool evaluate_all(std::span<const TemplateNode> args, const Value& dot, const Value* final,
                    std::vector<Value>& out) {
    for (const TemplateNode& arg : args) {
      out.emplace_back();
      if (!argument(arg, dot, TemplateType::kAny, out.back())) return false;
    }
    if (final != nullptr) out.push_back(*final);
    return true;
  }

  bool field(const Value& from, const std::string& name, const std::vector<Value>& args,
             Value& out) {
    if (const auto* time = from.as<TemplateTime>()) return time_method(*time, name, args, out);
    if (const auto* duration = from.as<TemplateDuration>()) {
      return duration_method(*duration, name, args, out);
    }
    if (from.as<Nothing>() != nullptr) return true;
    const bool found = map_entry(from, name, out) || member(from, name, out);
    if (!found) {
      return fail(fmt::format("can't evaluate field {} in type {}", name, type_name(from)));
    }
    if (args.empty()) return true;
    return fail(fmt::format("{} is not a method but has arguments", name));
  }

  // A missing key is the empty value of its type (missingkey=zero).
  static bool map_entry(const Value& from, const std::string& name, Value& out) {
    if (const auto* labels = from.as<TemplateLabels>()) {
      const auto entry = (*labels)->find(name);
      out.value = entry == (*labels)->end() ? std::string() : entry->second;
      return true;
    }
    const auto* args = from.as<TemplateArgs>();
    if (args == nullptr) return false;
    const auto entry = (*args)->find(name);
    if (entry != (*args)->end()) out = entry->second;
    return true;
  }

  static bool member(const Value& from, const std::string& name, Value& out) {
    if (const auto* sample = from.as<TemplateSamplePtr>()) {
      if (name == "Value") {
        out.value = (*sample)->value;
      } else if (name == "Labels") {
        out.value = TemplateLabels(*sample, &(*sample)->labels);
      } else {
        return false;
      }
      return true;
    }
    const auto* root = from.as<Value::Root>();
    if (root == nullptr) return false;
    if (name == "Labels") {
      out.value = label_map(root->data->labels);
    } else if (name == "ExternalLabels") {
      out.value = label_map(root->data->external_labels);
    } else if (name == "ExternalURL") {
      out.value = root->data->external_url;
    } else if (name == "Value") {
      out.value = root->data->value;
    } else {
      return false;
    }
    return true;
  }

  bool time_method(TemplateTime time, const std::string& name, const std::vector<Value>& args,
                   Value& out) {
    if (name == "Format" && args.size() == 1 && args[0].as<std::string>() != nullptr) {
      out.value = go_time_format(time, *args[0].as<std::string>());
    } else if (name == "Unix" && args.empty()) {
      out.value = time.unix_ms >= 0 ? time.unix_ms / 1000 : (time.unix_ms - 999) / 1000;
    } else if (name == "UTC" && args.empty()) {
      out.value = time;
    } else if (name == "String" && args.empty()) {
      out.value = go_time(time);
    } else {
      return fail(fmt::format("can't evaluate field {} in type *time.Time", name));
    }
    return true;
  }

  bool duration_method(TemplateDuration duration, const std::string& name,
                       const std::vector<Value>& args, Value& out) {
    const auto nanos = static_cast<double>(duration.nanoseconds);
    if (!args.empty()) return fail(fmt::format("wrong number of args for {}", name));
    if (name == "Seconds") {
      out.value = nanos / 1e9;
    } else if (name == "Minutes") {
      out.value = nanos / 6e10;
    } else if (name == "Hours") {
      out.value = nanos / 3.6e12;
    } else if (name == "Milliseconds") {
      out.value = duration.nanoseconds / 1'000'000;
    } else if (name == "String") {
      out.value = go_duration(duration);
    } else {
      return fail(fmt::format("can't evaluate field {} in type *time.Duration", name));
    }
    return true;
  }

  bool argument(const TemplateNode& node, const Value& dot, TemplateType type, Value& out) {
    if (!step(node)) return false;
    switch (node.kind) {
      case Kind::kField:
        if (!fields(node, dot, node.names, {}, nullptr, out)) return false;
        break;
      case Kind::kVariable:
        if (!variable_value(node, dot, {}, nullptr, out)) return false;
        break;
      case Kind::kPipe:
        if (!pipeline(node, dot, out)) return false;
        break;
      case Kind::kIdentifier:
        if (!call(node, node, dot, {}, nullptr, out)) return false;
        break;
      case Kind::kChain:
        if (!chain(node, dot, {}, nullptr, out)) return false;
        break;
      case Kind::kNil:
        if (type == TemplateType::kString) return fail("cannot assign nil to string");
        if (type != TemplateType::kAny)
          return fail("invalid value; expected " + std::string(type_text(type)));
        return fail("evaluating nil");
      case Kind::kDot:
        out = dot;
        break;
      default:
        if (type == TemplateType::kString && node.kind != Kind::kString) {
          return fail(fmt::format("expected string; found {}", to_text(node)));
        }
        if (type != TemplateType::kString && type != TemplateType::kAny) {
          return fail(
              fmt::format("can't handle {} for arg of type {}", to_text(node), type_text(type)));
        }
        return literal(node, dot, out);
    }
    return validate(out, type);
  }

  bool validate(const Value& value, TemplateType type) {
    if (fits(value, type)) return true;
    if (value.as<Nothing>() != nullptr) {
      return fail(fmt::format("invalid value; expected {}", type_text(type)));
    }
    return fail(fmt::format("wrong type for value; expected {}; got {}", type_text(type),
                            type_name(value)));
  }

  // `command` is the whole of it, which a failing function is reported at.
  bool call(const TemplateNode& node, const TemplateNode& command, const Value& dot,
            std::span<const TemplateNode> args, const Value* final, Value& out) {
    if (!step(node)) return false;
    const TemplateFunction& function = *find_template_function(node.text);
    const std::vector<TemplateType>& types = function.arguments;
    const std::size_t given = args.size() + (final != nullptr ? 1 : 0);
    const std::size_t least = types.size() - (function.variadic ? 1 : 0);
    if (given < least || (!function.variadic && given > least)) {
      return fail(fmt::format("wrong number of args for {}: want {}{} got {}", function.name,
                              function.variadic ? "at least " : "", least, given));
    }
    const bool chooses = function.name == "and" || function.name == "or";
    std::vector<Value> values;
    for (std::size_t i = 0; i < given; ++i) {
      const TemplateType type = types[std::min(i, types.size() - 1)];
      values.emplace_back();
      if (i < args.size()) {
        if (!argument(args[i], dot, type, values.back())) return false;
      } else {
        values.back() = *final;
        if (!validate(*final, type)) return false;
      }
      if (chooses && i < args.size() && is_true(values.back()) == (function.name == "or")) break;
    }
    Result<Value> result = function.run(values, work_);
    if (!result) {
      node_ = &command;
      return fail(fmt::format("error calling {}: {}", function.name, result.error().message()),
                  result.error().code());
    }
    if (const auto* text = result->as<std::string>()) work_.bytes += text->size();
    out = *std::move(result);
    return true;
  }

  std::string_view text_;
  TemplateWork work_;
  const TemplateNode* node_ = nullptr;
  std::vector<Variable> variables_;
  std::string out_;
  std::optional<Error> error_;
};

// What a rule's checks want to know of a text.
struct Uses {
  std::vector<TemplateLabel> labels;
  bool value = false;

  void look(const TemplateNode& node) {
    const std::vector<std::string>& names = node.names;
    if (node.kind == Kind::kVariable && names.front() == "$value") value = true;
    if (node.kind == Kind::kVariable && names.size() == 2 && names[0] == "$labels") {
      labels.push_back({names[1], node.at});
    }
    if (node.kind == Kind::kField && names.front() == "Value") value = true;
    if (node.kind == Kind::kField && names.size() == 2 && names[0] == "Labels") {
      labels.push_back({names[1], node.at});
    }
    if (node.kind == Kind::kCommand && node.children.size() == 3 &&
        node.children[0].text == "index" && node.children[1].kind == Kind::kVariable &&
        node.children[1].names == std::vector<std::string>{"$labels"} &&
        node.children[2].kind == Kind::kString) {
      labels.push_back({node.children[2].text, node.children[2].at});
    }
    for (const auto* list : {&node.children, &node.body, &node.otherwise}) {
      for (const TemplateNode& child : *list) look(child);
    }
  }
};

}  // namespace

Template::Parsed Template::parse(std::string_view text) {
  Parsed parsed;
  if (text.size() > kMaxText) {
    parsed.error = {0, 1, fmt::format("longer than {} bytes", kMaxText), {}};
    return parsed;
  }
  Template made;
  made.text_ = text;
  if (text.find("{{") != std::string_view::npos) {
    TemplateTree tree = parse_template(made.text_);
    if (!tree.error.problem.empty()) {
      parsed.error = std::move(tree.error);
      return parsed;
    }
    Uses uses;
    for (const TemplateNode& node : tree.nodes) uses.look(node);
    made.labels_ = std::move(uses.labels);
    made.uses_value_ = uses.value;
    made.nodes_ = std::make_shared<const std::vector<TemplateNode>>(std::move(tree.nodes));
  }
  parsed.value = std::move(made);
  return parsed;
}

Template Template::of_text(std::string_view text) {
  Template made;
  made.text_ = text;
  return made;
}

Result<std::string> Template::expand(const TemplateData& data,
                                     const TemplateEnvironment& environment) const {
  if (literal()) return text_;
  return Execution(text_, data, environment).run(*nodes_);
}

}  // namespace keelwatch::rules
