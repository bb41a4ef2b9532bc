#include "status/openapi.hpp"

#include <nlohmann/json.hpp>

#include <array>

#include "base/text.hpp"
#include "status/schemas.hpp"

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
    Path{"/health", "health", "Health of all clusters, or of one", "application/health+json", "Health", "400 404 503"},
    Path{"/metrics", "metrics", "Prometheus text format 0.0.4", "text/plain", "", "503"},
    Path{"/v1/status", "status", "The whole snapshot", "application/json", "Status", "304 503"},
    Path{"/v1/clusters", "clusters", "All clusters", "application/json", "Clusters", "304 503"},
    Path{"/v1/clusters/{name}", "cluster", "One cluster", "application/json", "OneCluster", "304 404 503"},
    Path{"/v1/rotations", "rotations", "Rotations of each cluster", "application/json", "Rotations", "304 503"},
    Path{"/v1/events", "events", "The history, oldest first", "application/json", "Events", "400"},
    Path{"/v1/runway", "runway", "How long each cluster survives without the root", "application/json", "Runways", "304 503"},
    Path{"/problems", "problems", "Each problem code and its page", "text/html", "", "304"},
    Path{"/problems/{code}", "problem", "What a problem means and what to do about it", "text/html", "", "304 404"},
    Path{"/pki/root.crt", "rootCertificate", "Trust bundle; compare its fingerprint before trusting it",
         "application/pem-certificate-chain", "", "304 404"},
    Path{"/pki/root.crl", "rootCrl", "The root's CRL (DER)", "application/pkix-crl", "", "304 404"},
    Path{"/pki/{issuer}.crl", "issuerCrl", "An issuing CA's CRL (DER)", "application/pkix-crl", "", "304 404"},
    Path{"/v1/status.schema.json", "statusSchema", "The JSON Schema of /v1/status", "application/schema+json", "Object", ""},
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
  if (path == "/v1/events") {
    out.push_back(query("since", "only events after this id", {{"type", "integer"}, {"minimum", 0}}));
    out.push_back(query("last", "only the newest so many, still the oldest of them first", {{"type", "integer"}, {"minimum", 0}}));
    out.push_back(query("wait", "answer when there is an event, at the latest after this time: 10s, 60s at most", {{"type", "string"}}));
  }
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
    if (p.id == std::string_view("health") && code == "503") answer["content"] = content(p.media, p.schema);
    else if (code != "304") answer["content"] = content("application/problem+json", "Error");
    responses[code] = std::move(answer);
  }
  json out{{"operationId", p.id}, {"summary", p.summary}};
  if (json list = parameters(p.path); !list.empty()) out["parameters"] = std::move(list);
  out["responses"] = std::move(responses);
  return {{"get", std::move(out)}};
}

}  // namespace

std::string status_schema_json() {
  // The same shapes; only the place of a reference differs in a document of its own.
  std::string text(schemas_text());
  for (std::size_t at = 0; (at = text.find("#/components/schemas/", at)) != std::string::npos;) text.replace(at, 21, "#/$defs/");
  json whole{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "/v1/status of pgcertd"}};
  json shapes = json::parse(text);
  whole.update(shapes.at("Status"));
  for (const char* name : {"Time", "Severity", "Problem", "Server", "Certificate", "Served", "InstalledCrl", "Rotation", "Runway", "Permission", "Sessions", "Cluster", "IssuersCrl", "Issuer", "Listener"})
    whole["$defs"][name] = shapes.at(name);
  return whole.dump(2) + "\n";
}

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
                   {"components", {{"schemas", json::parse(schemas_text())}}}};
  return whole.dump(2) + "\n";
}

}  // namespace pgcertd::status
