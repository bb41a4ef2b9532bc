#include "status/schemas.hpp"

namespace pgcertd::status {
namespace {

constexpr std::string_view shapes = R"json({
  "Time": {"type": "string", "format": "date-time", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"},
  "Severity": {"type": "string", "enum": ["ok", "warning", "critical", "unknown"]},
  "Problem": {"type": "object", "required": ["code", "severity", "since", "object", "message", "remedy"], "additionalProperties": false, "properties": {
    "code": {"type": "string", "pattern": "^[a-z-]+$", "description": "stable; /problems/CODE tells what it means"},
    "severity": {"type": "string", "enum": ["warning", "critical", "unknown"]},
    "since": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "object": {"type": ["string", "null"]},
    "message": {"type": "string"},
    "remedy": {"type": "string", "description": "a command to run, or what to do"}}},
  "Server": {"type": "object", "required": ["reachable", "version", "data_directory", "ssl", "pending_restart"], "additionalProperties": false, "properties": {
    "reachable": {"type": "boolean"},
    "version": {"type": ["string", "null"]},
    "data_directory": {"type": ["string", "null"]},
    "ssl": {"type": ["boolean", "null"]},
    "pending_restart": {"type": ["boolean", "null"]}}},
  "Certificate": {"type": "object", "required": ["path", "serial", "fingerprint_sha256", "subject", "issuer", "names", "not_before", "not_after", "key_type", "renew_at"], "additionalProperties": false, "properties": {
    "path": {"type": "string"},
    "serial": {"type": "string", "pattern": "^[0-9a-f]+$"},
    "fingerprint_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "subject": {"type": "string"},
    "issuer": {"type": "string"},
    "names": {"type": "array", "items": {"type": "string"}},
    "not_before": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "not_after": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "key_type": {"type": ["string", "null"]},
    "renew_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}}},
  "Served": {"type": "object", "required": ["endpoint", "probed_at", "serial", "fingerprint_sha256", "not_after", "tls_version", "matches_file", "verify"], "additionalProperties": false, "properties": {
    "endpoint": {"type": "string"},
    "probed_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "serial": {"type": ["string", "null"], "pattern": "^[0-9a-f]+$"},
    "fingerprint_sha256": {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
    "not_after": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "tls_version": {"type": ["string", "null"]},
    "matches_file": {"type": ["boolean", "null"]},
    "verify": {"type": ["string", "null"], "description": "ok, or why a client that knows the root would not accept it"}}},
  "InstalledCrl": {"type": "object", "required": ["path", "issuer", "number", "this_update", "next_update", "revoked"], "additionalProperties": false, "properties": {
    "path": {"type": "string"},
    "issuer": {"type": "string"},
    "number": {"type": ["string", "null"]},
    "this_update": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "next_update": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "revoked": {"type": "integer", "minimum": 0, "description": "entries, with those of the canaries that show whether a server has loaded it"}}},
  "Rotation": {"type": "object", "required": ["stage", "need", "paused_until", "generation", "last_success_at", "last_error", "next_at"], "additionalProperties": false, "properties": {
    "stage": {"type": "string", "enum": ["nothing", "requested", "issued", "staged", "published", "proved", "refused"]},
    "need": {"type": "string"},
    "paused_until": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "generation": {"type": "integer", "minimum": 0},
    "last_success_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "last_error": {"type": ["string", "null"]},
    "next_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}}},
  "Runway": {"type": "object", "required": ["ends_at", "needed_at", "limited_by"], "additionalProperties": false, "properties": {
    "ends_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "needed_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "limited_by": {"anyOf": [{"type": "string", "enum": ["issuing_ca", "root_ca", "root_crl", "leaf"]}, {"type": "null"}]}}},
  "Permission": {"type": "object", "required": ["path", "setting", "actual", "expected", "verdict", "repaired_by_pgcertd", "remedy"], "additionalProperties": false, "properties": {
    "path": {"type": "string"},
    "setting": {"type": ["string", "null"]},
    "actual": {"type": "string"},
    "expected": {"type": "string"},
    "verdict": {"type": "string"},
    "repaired_by_pgcertd": {"type": "boolean"},
    "remedy": {"type": ["string", "null"]}}},
  "Sessions": {"type": "object", "required": ["total", "tls", "plaintext_tcp", "unix_socket", "tls_versions", "older_than_rotation"], "additionalProperties": false, "properties": {
    "total": {"type": "integer", "minimum": 0},
    "tls": {"type": "integer", "minimum": 0},
    "plaintext_tcp": {"type": "integer", "minimum": 0},
    "unix_socket": {"type": "integer", "minimum": 0},
    "tls_versions": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
    "older_than_rotation": {"type": "integer", "minimum": 0}}},
  "Cluster": {"type": "object", "required": ["name", "status", "server", "certificate", "served", "crl", "rotation", "runway", "permissions", "sessions", "problems"], "additionalProperties": false, "properties": {
    "name": {"type": "string", "pattern": "^[a-z0-9_-]{1,63}$"},
    "status": {"$ref": "#/components/schemas/Severity"},
    "server": {"$ref": "#/components/schemas/Server"},
    "certificate": {"anyOf": [{"$ref": "#/components/schemas/Certificate"}, {"type": "null"}]},
    "served": {"type": "array", "items": {"$ref": "#/components/schemas/Served"}},
    "crl": {"type": "array", "items": {"$ref": "#/components/schemas/InstalledCrl"}},
    "rotation": {"$ref": "#/components/schemas/Rotation"},
    "runway": {"$ref": "#/components/schemas/Runway"},
    "permissions": {"type": "array", "items": {"$ref": "#/components/schemas/Permission"}},
    "sessions": {"anyOf": [{"$ref": "#/components/schemas/Sessions"}, {"type": "null"}]},
    "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}}}},
  "IssuersCrl": {"type": "object", "required": ["number", "next_update", "revoked"], "additionalProperties": false, "properties": {
    "number": {"type": ["string", "null"]},
    "next_update": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "revoked": {"type": "integer", "minimum": 0, "description": "entries, with those of the canaries that show whether a server has loaded it"}}},
  "Issuer": {"type": "object", "required": ["name", "type", "key_available", "certificate", "root", "crl", "root_crl", "pending_requests", "client_certificates"], "additionalProperties": false, "properties": {
    "name": {"type": "string"},
    "type": {"type": "string", "enum": ["local", "offline", "self-signed"]},
    "key_available": {"type": "boolean"},
    "certificate": {"anyOf": [{"type": "object", "required": ["not_before", "not_after", "renew_at"], "properties": {"not_before": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "not_after": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "renew_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}}, "additionalProperties": false}, {"type": "null"}]},
    "root": {"anyOf": [{"type": "object", "required": ["fingerprint_sha256", "not_after"], "properties": {"fingerprint_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}, "not_after": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}}, "additionalProperties": false}, {"type": "null"}]},
    "crl": {"anyOf": [{"$ref": "#/components/schemas/IssuersCrl"}, {"type": "null"}]},
    "root_crl": {"anyOf": [{"$ref": "#/components/schemas/IssuersCrl"}, {"type": "null"}]},
    "pending_requests": {"type": "array", "items": {"type": "object", "required": ["spki_sha256", "cluster", "since"], "properties": {"spki_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}, "cluster": {"type": ["string", "null"]}, "since": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}}, "additionalProperties": false}},
    "client_certificates": {"type": "array", "items": {"type": "object", "required": ["role", "serial", "not_before", "not_after", "revoked", "state"], "properties": {"role": {"type": "string"}, "serial": {"type": "string", "pattern": "^[0-9a-f]+$"}, "not_before": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "state": {"type": "string", "enum": ["good", "expiring", "expired", "older", "revoked"]}, "not_after": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "revoked": {"type": "boolean"}}, "additionalProperties": false}}}},
  "Status": {"type": "object", "required": ["schema", "version", "generated_at", "status", "clusters", "issuers", "http", "problems", "chain_head"], "additionalProperties": false, "properties": {
    "schema": {"const": 1},
    "version": {"type": "string"},
    "generated_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "status": {"$ref": "#/components/schemas/Severity"},
    "clusters": {"type": "array", "items": {"$ref": "#/components/schemas/Cluster"}},
    "issuers": {"type": "array", "items": {"$ref": "#/components/schemas/Issuer"}},
    "http": {"anyOf": [{"$ref": "#/components/schemas/Listener"}, {"type": "null"}], "description": "the HTTP listener's own certificate; null: it speaks plain HTTP"},
    "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}},
    "chain_head": {"anyOf": [{"type": "object", "required": ["id", "hash", "at"], "properties": {"id": {"type": "integer", "minimum": 0}, "hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"}, "at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}}, "additionalProperties": false}, {"type": "null"}], "description": "of the chain of events, as the journal was told last"}}},
  "Listener": {"type": "object", "required": ["issuer", "client_certificates", "certificate", "served"], "additionalProperties": false, "properties": {
    "issuer": {"type": "string", "description": "by its name in the configuration"},
    "client_certificates": {"type": "boolean", "description": "true: clients must show one"},
    "certificate": {"anyOf": [{"$ref": "#/components/schemas/Certificate"}, {"type": "null"}], "description": "in the file; null: it serves one that it made itself"},
    "served": {"type": "array", "items": {"$ref": "#/components/schemas/Served"}}}},
  "Clusters": {"type": "object", "required": ["schema", "generated_at", "clusters"], "additionalProperties": false, "properties": {
    "schema": {"const": 1},
    "generated_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "clusters": {"type": "array", "items": {"$ref": "#/components/schemas/Cluster"}}}},
  "OneCluster": {"type": "object", "required": ["schema", "generated_at", "cluster"], "additionalProperties": false, "properties": {
    "schema": {"const": 1},
    "generated_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "cluster": {"$ref": "#/components/schemas/Cluster"}}},
  "Rotations": {"type": "object", "required": ["schema", "generated_at", "rotations"], "additionalProperties": false, "properties": {
    "schema": {"const": 1},
    "generated_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "rotations": {"type": "array", "items": {"type": "object", "required": ["cluster", "stage", "need", "paused_until", "generation", "last_success_at", "last_error", "next_at", "generation_id", "next_step", "reasons", "last_attempt_at", "last_duration_seconds", "stages", "retry_at", "consecutive_failures", "last_failure", "proved", "totals"], "properties": {"cluster": {"type": "string"}, "stage": {"type": "string", "enum": ["nothing", "requested", "issued", "staged", "published", "proved", "refused"]}, "need": {"type": "string"}, "paused_until": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "generation": {"type": "integer", "minimum": 0}, "last_success_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "last_error": {"type": ["string", "null"]}, "next_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "generation_id": {"type": ["string", "null"]}, "next_step": {"type": ["string", "null"]}, "reasons": {"type": "array", "items": {"type": "string"}}, "last_attempt_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "last_duration_seconds": {"type": ["number", "null"], "minimum": 0}, "stages": {"type": "array", "items": {"type": "object", "required": ["stage", "at"], "properties": {"stage": {"type": "string"}, "at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}}, "additionalProperties": false}}, "retry_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "consecutive_failures": {"type": "integer", "minimum": 0}, "last_failure": {"anyOf": [{"type": "object", "required": ["at", "stage", "message", "remedy", "rolled_back"], "properties": {"at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "stage": {"type": "string"}, "message": {"type": "string"}, "remedy": {"type": "string"}, "rolled_back": {"type": "boolean"}}, "additionalProperties": false}, {"type": "null"}]}, "proved": {"type": "array", "items": {"type": "object", "required": ["generation", "fingerprint_sha256", "at"], "properties": {"generation": {"type": "string"}, "fingerprint_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}, "at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}}, "additionalProperties": false}}, "totals": {"type": "object", "required": ["success", "failure", "rolled_back"], "properties": {"success": {"type": "integer", "minimum": 0}, "failure": {"type": "integer", "minimum": 0}, "rolled_back": {"type": "integer", "minimum": 0}}, "additionalProperties": false}}, "additionalProperties": false}}}},
  "Runways": {"type": "object", "required": ["schema", "generated_at", "runway", "visits", "dates"], "additionalProperties": false, "properties": {
    "schema": {"const": 1},
    "generated_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
    "runway": {"type": "array", "items": {"type": "object", "required": ["cluster", "ends_at", "needed_at", "limited_by"], "properties": {"cluster": {"type": "string"}, "ends_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "needed_at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "limited_by": {"anyOf": [{"type": "string", "enum": ["issuing_ca", "root_ca", "root_crl", "leaf"]}, {"type": "null"}]}}, "additionalProperties": false}},
    "visits": {"type": "array", "items": {"type": "object", "required": ["from", "until", "what"], "properties": {"from": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "until": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "what": {"type": "array", "items": {"type": "string"}}}, "additionalProperties": false}},
    "dates": {"type": "array", "items": {"type": "object", "required": ["at", "what"], "properties": {"at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "what": {"type": "string"}}, "additionalProperties": false}}}},
  "Events": {"type": "object", "required": ["schema", "events", "next"], "additionalProperties": false, "properties": {
    "schema": {"const": 1},
    "events": {"type": "array", "items": {"type": "object", "required": ["id", "at", "cluster", "kind", "message", "fields"], "properties": {"id": {"type": "integer", "minimum": 0}, "at": {"anyOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]}, "cluster": {"type": ["string", "null"]}, "kind": {"type": "string", "pattern": "^[a-z-]+$"}, "message": {"type": "string"}, "fields": {"type": "object", "additionalProperties": {"type": "string"}}}, "additionalProperties": false}},
    "next": {"type": ["integer", "null"], "minimum": 0, "description": "since= of the next question"}}},
  "Health": {"type": "object", "required": ["status", "version", "releaseId", "checks"], "additionalProperties": false, "properties": {
    "status": {"type": "string", "enum": ["pass", "warn", "fail"]},
    "version": {"type": "string"},
    "releaseId": {"type": "string"},
    "checks": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "object", "required": ["componentType", "status"], "additionalProperties": false, "properties": {"componentType": {"type": "string"}, "status": {"type": "string", "enum": ["pass", "warn", "fail"]}, "time": {"$ref": "#/components/schemas/Time"}, "output": {"type": "string"}}}}}}},
  "Error": {"type": "object", "required": ["type", "title", "status", "detail"], "additionalProperties": false, "properties": {
    "type": {"type": "string"},
    "title": {"type": "string"},
    "status": {"type": "integer", "minimum": 0},
    "detail": {"type": ["string", "null"]}}},
  "Object": {"type": "object"}
})json";

}  // namespace

std::string_view schemas_text() noexcept { return shapes; }

}  // namespace pgcertd::status
