// Answers of the daemon, as the HTTP interface has them, for the tests of what the tool makes of them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/time.hpp"

namespace pgcertd::cli {

inline const TimePoint now = *parse_rfc3339("2026-01-01T00:00:00Z");

inline nlohmann::json healthy_cluster(const std::string& name = "main") {
  return {{"name", name},
          {"status", "ok"},
          {"server",
           {{"reachable", true},
            {"version", "15.18"},
            {"data_directory", "/var/lib/postgresql/15/main"},
            {"ssl", true},
            {"pending_restart", false}}},
          {"certificate",
           {{"path", "/var/lib/pgcertd/clusters/main/current/server.crt"},
            {"serial", "41c0ffee"},
            {"fingerprint_sha256", std::string(64, 'a')},
            {"subject", "CN=db1.example.org"},
            {"issuer", "CN=pgcertd issuing CA"},
            {"names", {"db1.example.org", "10.0.0.5"}},
            {"not_before", "2025-12-31T23:00:00Z"},
            {"not_after", "2026-04-01T00:00:00Z"},
            {"key_type", "ecdsa-p256"},
            {"renew_at", "2026-03-02T00:00:00Z"}}},
          {"served", nlohmann::json::array({{{"endpoint", "127.0.0.1:5432"},
                                             {"probed_at", "2026-01-01T00:00:00Z"},
                                             {"serial", "41c0ffee"},
                                             {"not_after", "2026-04-01T00:00:00Z"},
                                             {"tls_version", "TLSv1.3"},
                                             {"matches_file", true},
                                             {"verify", "ok"}}})},
          {"crl", nlohmann::json::array()},
          {"rotation",
           {{"stage", "proved"},
            {"need", "none"},
            {"paused_until", nullptr},
            {"generation", 7},
            {"last_success_at", "2025-12-31T23:59:00Z"},
            {"last_error", nullptr},
            {"next_at", "2026-01-01T00:01:00Z"}}},
          {"runway", {{"ends_at", "2027-01-01T00:00:00Z"}, {"needed_at", "2026-07-01T00:00:00Z"}, {"limited_by", "issuing_ca"}}},
          {"problems", nlohmann::json::array()}};
}

inline nlohmann::json problem(const std::string& code, const std::string& severity, const std::string& message) {
  return {{"code", code},
          {"severity", severity},
          {"since", "2025-12-31T21:00:00Z"},
          {"message", message},
          {"remedy", "pgcertctl rotate main"}};
}

inline nlohmann::json healthy_status() {
  return {{"schema", 1},
          {"version", "0.1.0"},
          {"generated_at", "2025-12-31T23:59:30Z"},
          {"status", "ok"},
          {"clusters", nlohmann::json::array({healthy_cluster()})},
          {"issuers",
           nlohmann::json::array({{{"name", "local"},
                                   {"type", "local"},
                                   {"key_available", true},
                                   {"certificate", {{"not_before", "2025-01-01T00:00:00Z"}, {"not_after", "2027-01-01T00:00:00Z"}}},
                                   {"root", {{"fingerprint_sha256", std::string(64, 'b')}, {"not_after", "2040-01-01T00:00:00Z"}}},
                                   {"crl", {{"number", "12"}, {"next_update", "2026-01-30T00:00:00Z"}, {"revoked", 3}}},
                                   {"pending_requests", nlohmann::json::array()}}})},
          {"problems", nlohmann::json::array()}};
}

inline nlohmann::json critical_status() {
  nlohmann::json status = healthy_status();
  status["status"] = "critical";
  nlohmann::json& cluster = status["clusters"][0];
  cluster["status"] = "critical";
  cluster["served"][0]["matches_file"] = false;
  cluster["problems"] = {problem("file-permissions", "warning", "server.crt is group-writable"),
                         problem("served-stale", "critical", "127.0.0.1:5432 serves 40aa, the file has 41c0ffee")};
  return status;
}

// Everything a stranger may choose, chosen badly.
inline nlohmann::json hostile_status() {
  nlohmann::json status = critical_status();
  const std::string evil = "evil\x1b[2J\r\nOK - all fine | fake=1\xe2\x80\xae" + std::string(300, 'X') + " \xff\xfe";
  nlohmann::json& cluster = status["clusters"][0];
  cluster["certificate"]["subject"] = evil;
  cluster["certificate"]["issuer"] = evil;
  cluster["certificate"]["names"] = {evil, 17, nullptr};
  cluster["rotation"]["last_error"] = evil;
  cluster["served"][0]["verify"] = evil;
  cluster["problems"][1]["message"] = evil;
  cluster["problems"][1]["remedy"] = evil;
  status["issuers"][0]["name"] = evil;
  status["version"] = evil;
  return status;
}

}  // namespace pgcertd::cli
