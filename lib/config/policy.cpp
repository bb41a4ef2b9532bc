#include "config/policy.hpp"

#include <fmt/format.h>

#include <array>

#include "base/text.hpp"
#include "config/cross_checks.hpp"
#include "config/tree.hpp"

namespace pgcertd {
namespace {

using config::Node;

class Reader {
 public:
  Reader(const Node& root, std::vector<ConfigIssue>& issues) : root_(root), issues_(issues) {}

  SigningPolicy read() {
    SigningPolicy policy;
    known(root_, {"server", "client", "issuing"}, "");
    profile("server", policy.server);
    profile("client", policy.client);
    profile("issuing", policy.issuing);
    return policy;
  }

 private:
  void reject(const Node& node, const std::string& key, std::string message, std::string remedy = {}) {
    issues_.push_back({node.place.file, node.place.line, node.place.column, key, std::move(message), std::move(remedy)});
  }

  void known(const Node& table, const std::vector<std::string>& keys, const std::string& prefix) {
    for (const auto& [key, node] : table.members)
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) reject(node, prefix + printable(key, 80), "there is no such key", fmt::format("the nearest one is \"{}\"", config::nearest(key, keys)));
  }

  const Node* find(const Node& table, const std::string& key, Node::Kind kind, const std::string& full) {
    const auto found = table.members.find(key);
    if (found == table.members.end()) return nullptr;
    if (found->second.kind == kind) return &found->second;
    reject(found->second, full, fmt::format("it is {}, wanted is {}", to_string(found->second.kind), to_string(kind)));
    return nullptr;
  }

  void duration(const Node& table, const std::string& section, const std::string& key, Duration& into) {
    const std::string full = section + "." + key;
    const Node* const node = find(table, key, Node::Kind::string, full);
    if (node == nullptr) return;
    const auto read = parse_duration(node->text);
    if (!read) reject(*node, full, read.error().what, read.error().remedy);
    else if (*read < std::chrono::hours{1} || *read > std::chrono::days{36525}) reject(*node, full, fmt::format("{} is impossible", printable(node->text, 40)), "from 1h to 36525d");
    else into = *read;
  }

  std::vector<std::string> texts(const Node& table, const std::string& section, const std::string& key) {
    const std::string full = section + "." + key;
    std::vector<std::string> out;
    const Node* const node = find(table, key, Node::Kind::array, full);
    if (node == nullptr) return out;
    for (const Node& element : node->elements) {
      if (element.kind == Node::Kind::string && !element.text.empty()) out.push_back(element.text);
      else reject(element, full, "each element is a text that is not empty");
    }
    return out;
  }

  void key_types(const Node& table, const std::string& section, ProfilePolicy& into) {
    for (const std::string& text : texts(table, section, "key_types")) {
      if (const auto type = parse_key_type(text)) into.key_types.push_back(*type);
      else reject(table.members.at("key_types"), section + ".key_types", fmt::format("\"{}\" is no type of key", printable(text, 40)), "ecdsa-p256 ecdsa-p384 rsa-2048 rsa-3072 rsa-4096 ed25519");
    }
  }

  void consent(const Node& table, const std::string& section, Consent& into) {
    const Node* const node = find(table, "new_keys", Node::Kind::string, section + ".new_keys");
    if (node == nullptr) return;
    if (node->text == "allow") into = Consent::allow;
    else if (node->text == "ask") into = Consent::ask;
    else reject(*node, section + ".new_keys", fmt::format("\"{}\" is neither allow nor ask", printable(node->text, 40)));
  }

  void profile(const std::string& section, ProfilePolicy& into) {
    const Node* const table = find(root_, section, Node::Kind::table, section);
    if (table == nullptr) return;
    known(*table, {"lifetime", "max_lifetime", "names", "key_types", "new_keys"}, section + ".");
    duration(*table, section, "lifetime", into.lifetime);
    duration(*table, section, "max_lifetime", into.max_lifetime);
    into.names = texts(*table, section, "names");
    key_types(*table, section, into);
    consent(*table, section, into.new_keys);
  }

  const Node& root_;
  std::vector<ConfigIssue>& issues_;
};

}  // namespace

Result<SigningPolicy> parse_policy(const std::string& bytes, const std::string& name) {
  Node root;
  std::vector<ConfigIssue> issues;
  config::read_toml({name, bytes}, root, issues);
  SigningPolicy policy = Reader(root, issues).read();
  if (issues.empty()) return policy;
  std::string text;
  for (const ConfigIssue& issue : issues) text += (text.empty() ? "" : "; ") + issue.text();
  return fail(Errc::invalid, "the policy cannot be read: " + text, "pgcertctl ca init writes one that is explained; nothing is signed under half a policy");
}

}  // namespace pgcertd
