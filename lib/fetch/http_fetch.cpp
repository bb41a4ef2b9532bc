#include "fetch/http_fetch.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <mutex>
#include <string_view>

#include "base/text.hpp"

namespace pgcertd::fetch {
namespace {

struct CurlFree {
  void operator()(CURL* curl) const noexcept { curl_easy_cleanup(curl); }
};
struct HeadersFree {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using CurlPtr = std::unique_ptr<CURL, CurlFree>;
using HeadersPtr = std::unique_ptr<curl_slist, HeadersFree>;

constexpr long most_redirects = 3;
constexpr long slow = 1024;         // bytes a second
constexpr std::size_t longest_validator = 256;

// What the callbacks of one transfer share.
struct Transfer {
  const FetchLimits& limits;
  const std::function<bool()>& cancelled;
  ports::FetchAnswer answer{};
  bool too_large = false;
};

std::size_t take_body(char* bytes, std::size_t, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (transfer.answer.body.size() + count > transfer.limits.bytes) {
    transfer.too_large = true;
    return 0;   // ends the transfer
  }
  transfer.answer.body.append(bytes, count);
  return count;
}

bool is_header(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line[name.size()] == ':' &&
         std::equal(name.begin(), name.end(), line.begin(), [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

std::string value_of(std::string_view line, std::size_t name) {
  line.remove_prefix(name + 1);
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  return line.size() > longest_validator ? std::string{} : std::string(line);   // it is sent back: none is better than half of one
}

std::size_t take_header(char* bytes, std::size_t, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::string_view line(bytes, count);
  if (line.starts_with("HTTP/")) transfer.answer = {};   // the next response of a redirect
  if (is_header(line, "etag")) transfer.answer.etag = value_of(line, 4);
  if (is_header(line, "last-modified")) transfer.answer.last_modified = value_of(line, 13);
  return count;
}

int ask_whether_to_stop(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& transfer = *static_cast<const Transfer*>(self);
  return transfer.cancelled && transfer.cancelled() ? 1 : 0;
}

Result<void> start_library() {
  static std::once_flag once;
  static CURLcode started = CURLE_OK;
  std::call_once(once, [] { started = curl_global_init(CURL_GLOBAL_DEFAULT); });
  if (started == CURLE_OK) return {};
  return fail(Errc::io, fmt::format("curl_global_init: {}", curl_easy_strerror(started)));
}

HeadersPtr headers_of(const ports::FetchRequest& request) {
  curl_slist* list = curl_slist_append(nullptr, "Accept: application/pkix-crl, */*");
  const auto add = [&list](const char* name, const std::string& value) {
    if (!value.empty()) list = curl_slist_append(list, fmt::format("{}: {}", name, value).c_str());
  };
  add("If-None-Match", request.etag);
  add("If-Modified-Since", request.last_modified);
  return HeadersPtr(list);
}

void set_up(CURL* curl, const ports::FetchRequest& request, Transfer& transfer, curl_slist* headers) {
  const auto milliseconds = [](Duration duration) { return static_cast<long>(duration.count()); };
  const char* scheme = request.url.starts_with("https://") ? "https" : "http";
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, scheme);
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, scheme);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, most_redirects);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(transfer.limits.connect));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, milliseconds(transfer.limits.whole));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, slow);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, milliseconds(transfer.limits.stall) / 1000);
  curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(transfer.limits.bytes));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "pgcertd/" PGCERTD_VERSION);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_whether_to_stop);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

Error broken(CURLcode code, const Transfer& transfer, const std::string& url) {
  const std::string name = printable(url, 300);
  if (transfer.too_large || code == CURLE_FILESIZE_EXCEEDED) return make_error(Errc::invalid, fmt::format("GET {}: more than {} bytes", name, transfer.limits.bytes));
  if (code == CURLE_ABORTED_BY_CALLBACK) return make_error(Errc::cancelled, fmt::format("GET {}: the daemon is stopping", name));
  const Errc kind = code == CURLE_OPERATION_TIMEDOUT ? Errc::timeout : Errc::network;
  return make_error(kind, fmt::format("GET {}: {}", name, curl_easy_strerror(code)));
}

}  // namespace

Result<ports::FetchAnswer> HttpFetch::get(const ports::FetchRequest& request) {
  PGCERTD_CHECK(start_library());
  const CurlPtr curl(curl_easy_init());
  if (!curl) return fail(Errc::io, "curl_easy_init: out of memory");
  const HeadersPtr headers = headers_of(request);
  Transfer transfer{limits_, cancelled_};
  set_up(curl.get(), request, transfer, headers.get());
  if (const CURLcode code = curl_easy_perform(curl.get()); code != CURLE_OK) return fail(broken(code, transfer, request.url));
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status == 304) transfer.answer.not_modified = true, transfer.answer.body.clear();
  else if (status != 200) return fail(Errc::network, fmt::format("GET {}: HTTP status {}", printable(request.url, 300), status));
  return std::move(transfer.answer);
}

}  // namespace pgcertd::fetch
