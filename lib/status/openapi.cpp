#include "status/openapi.hpp"

#include <nlohmann/json.hpp>

#include <array>

#include "base/text.hpp"

namespace pgcertd::status {
namespace {

using json = nlohmann::ordered_json;

struct Path {
  const char* path;
  const char* id;
  const char* summary;
  const char* media;
  const char* schema;      // in components, or empty for a string
  const char* also;        // further codes, blank-separated
};

constexpr std::array paths{
    Path{"/", "page", "Status page for people", "text/html", "", ""},
    Path{"/livez", "livez", "The daemon's loop turns", "text/plain", "", "503"},
    Path{"/readyz", "readyz", "Configuration loaded and first pass done", "text/plain", "", "503"},
    Path{"/health", "health", "Health of all clusters, or of one", "application/health+json", "Object", "404 503"},
    Path{"/metrics", "metrics", "Prometheus text format 0.0.4", "text/plain", "", "503"},
    Path{"/v1/status", "status", "The whole snapshot", "application/json", "Status", "304 503"},
    Path{"/v1/clusters", "clusters", "All clusters", "application/json", "Object", "304 503"},
    Path{"/v1/clusters/{name}", "cluster", "One cluster", "application/json", "Object", "304 404 503"},
    Path{"/v1/rotations", "rotations", "Rotations of each cluster", "application/json", "Object", "304 503"},
    Path{"/v1/events", "events", "The history, oldest first", "application/json", "Object", "400"},
    Path{"/v1/runway", "runway", "How long each cluster survives without the root", "application/json", "Object", "304 503"},
    Path{"/pki/root.crt", "rootCertificate", "Trust bundle; compare its fingerprint before trusting it",
         "application/pem-certificate-chain", "", "404"},
    Path{"/pki/root.crl", "rootCrl", "The root's CRL (DER)", "application/pkix-crl", "", "404"},
    Path{"/pki/{issuer}.crl", "issuerCrl", "An issuing CA's CRL (DER)", "application/pkix-crl", "", "404"},
    Path{"/openapi.json", "openapi", "This description", "application/json", "Object", ""},
};

json query(const char* name, const char* what, json schema) {
  return {{"name", name}, {"in", "query"}, {"description", what}, {"schema", std::move(schema)}};
}

json parameters(const std::string& path) {
  json out = json::array();
  const auto brace = path.find('{');
  if (brace != std::string::npos) {
    const std::string name = path.substr(brace + 1, path.find('}') - brace - 1);
    out.push_back(
        {{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}, {"pattern", "^[a-z0-9_-]{1,63}$"}}}});
  }
  if (path == "/health") {
    out.push_back(query("cluster", "only this cluster", {{"type", "string"}}));
    out.push_back(query("fail_on", "also fail on a warning", {{"type", "string"}, {"enum", {"fail", "warn"}}}));
  }
  if (path == "/v1/events") out.push_back(query("since", "only events after this id", {{"type", "integer"}, {"minimum", 0}}));
  return out;
}

json content(const char* media, const std::string& schema) {
  const json body = schema.empty() ? json{{"type", "string"}} : json{{"$ref", "#/components/schemas/" + schema}};
  return {{media, {{"schema", body}}}};
}

std::string_view reason(const std::string& code) {
  if (code == "304") return "Not modified since the given ETag";
  if (code == "400") return "A parameter is not understood";
  if (code == "404") return "There is no such thing";
  return "Not healthy, or nothing is known yet";
}

json operation(const Path& p) {
  json responses{{"200", {{"description", "OK"}, {"content", content(p.media, p.schema)}}}};
  const std::string also = p.also;
  for (std::size_t at = 0; at < also.size(); at += 4) {
    const std::string code = also.substr(at, 3);
    json answer{{"description", reason(code)}};
    if (code != "304") answer["content"] = content("application/problem+json", "Problem");
    responses[code] = std::move(answer);
  }
  json out{{"operationId", p.id}, {"summary", p.summary}};
  if (json list = parameters(p.path); !list.empty()) out["parameters"] = std::move(list);
  out["responses"] = std::move(responses);
  return {{"get", std::move(out)}};
}

json schemas() {
  const json object{{"type", "object"}};
  const json severity{{"type", "string"}, {"enum", {"ok", "warning", "critical", "unknown"}}};
  const json objects{{"type", "array"}, {"items", object}};
  const json status{{"type", "object"},
                    {"required", {"schema", "version", "generated_at", "status", "clusters", "issuers", "problems"}},
                    {"properties",
                     {{"schema", {{"const", 1}}},
                      {"version", {{"type", "string"}}},
                      {"generated_at", {{"type", {"string", "null"}}, {"format", "date-time"}}},
                      {"status", severity},
                      {"clusters", objects},
                      {"issuers", objects},
                      {"problems", objects}}}};
  const json problem{{"type", "object"},
                     {"required", {"type", "title", "status"}},
                     {"properties",
                      {{"type", {{"type", "string"}}},
                       {"title", {{"type", "string"}}},
                       {"status", {{"type", "integer"}}},
                       {"detail", {{"type", {"string", "null"}}}}}}};
  return {{"Object", object}, {"Status", status}, {"Problem", problem}};
}

}  // namespace

std::string openapi_json(const BuildInfo& build) {
  json list = json::object();
  for (const Path& p : paths) list[p.path] = operation(p);
  const json whole{{"openapi", "3.1.0"},
                   {"info",
                    {{"title", "pgcertd"},
                     {"version", printable(build.version)},
                     {"description", "Read-only view of the certificates of PostgreSQL clusters. GET and HEAD only."},
                     {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
                   {"paths", std::move(list)},
                   {"components", {{"schemas", schemas()}}}};
  return whole.dump(2) + "\n";
}

}  // namespace pgcertd::status
