// Parts of pgcertd beside the least that libcrypto and the kernel take for the same, in one process, in turn:
//   pieces issue              a key, its request, the certificate, its verification: ours, and a plain libcrypto loop
//   pieces store DIRECTORY    that and a durable generation, beside it and four files that are written, synced and renamed
//   pieces scan DIRECTORY     every certificate in it read and its end compared: ours, and a plain libcrypto loop
//   pieces look DIRECTORY N   N generations that did not change looked at again, beside parsing the two certificates of each
// Prints one line of JSON: medians in microseconds of processor time, for `store` of wall time.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/plain.hpp"
#include "files/generation_store.hpp"
#include "x509/certificate.hpp"
#include "x509/private_key.hpp"
#include "x509/request.hpp"
#include "x509/sign.hpp"
#include "x509/verify.hpp"

using namespace pgcertd;
using namespace plain;

namespace {

template <class T>
T must(Result<T> result) {
  if (!result) give_up(result.error().text());
  return std::move(*result);
}

double clock_us(clockid_t which) {
  timespec now{};
  (void)::clock_gettime(which, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

struct Pair {
  double ours = 0, limit = 0;
};

// In turn, so that a busy moment meets both.
Pair compare(int rounds, clockid_t clock, const std::function<void()>& ours, const std::function<void()>& limit) {
  std::vector<double> a, b;
  for (int i = 0; i < rounds; ++i)
    for (const auto& [times, what] : {std::pair{&a, &ours}, std::pair{&b, &limit}}) {
      const double begun = clock_us(clock);
      (*what)();
      times->push_back(clock_us(clock) - begun);
    }
  const auto median = [](std::vector<double>& v) {
    std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
    return v[v.size() / 2];
  };
  return {median(a), median(b)};
}

void tell(const Pair& pair) { fmt::print("{{\"ours\":{:.1f},\"limit\":{:.1f},\"ratio\":{:.3f}}}\n", pair.ours, pair.limit, pair.ours / pair.limit); }

const TimePoint now = from_unix(1'767'225'600);
const Names names{{"db1.example.org"}, {"10.0.0.5"}};

// ---- ours ----

struct Issuing {
  x509::PrivateKey key = must(x509::PrivateKey::generate(KeyType::ecdsa_p256));
  x509::Certificate certificate = must(x509::make_root(key, "bench", must(x509::new_serial()), {now, now + std::chrono::days{3650}}));
};

GenerationContent issue(const Issuing& ca) {
  const x509::PrivateKey key = must(x509::PrivateKey::generate(KeyType::ecdsa_p256));
  const std::string request = must(x509::make_request_pem(key, names));
  const x509::LeafProfile profile{must(x509::new_serial()), names, {now, now + std::chrono::days{90}}, {}, false};
  const x509::Certificate leaf = must(x509::sign_leaf(ca.key, ca.certificate, request, profile));
  if (!x509::verify_chain({leaf}, {ca.certificate}, x509::Purpose::server, now).ok) give_up("our certificate does not verify");
  return {leaf.pem(), key.to_pem(), ca.certificate.pem(), {}, Origin::issued};
}

class RandomHex final : public ports::Random {
 public:
  std::string hex(std::size_t bytes) override { return must(x509::new_serial()).substr(0, 2 * bytes); }
};

ServerIdentity myself() { return {::geteuid(), ::getegid(), {}}; }

// ---- the least of it ----

void plain_store(const PlainCa& ca, const std::string& directory) {
  const auto [key, leaf] = plain_issue(ca);
  const Bio key_pem(BIO_new(BIO_s_mem())), leaf_pem(BIO_new(BIO_s_mem())), root_pem(BIO_new(BIO_s_mem()));
  (void)PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  (void)PEM_write_bio_X509(leaf_pem.get(), leaf.get());
  (void)PEM_write_bio_X509(root_pem.get(), ca.certificate.get());
  put_durably(directory, "server.key", pem_of(key_pem));
  put_durably(directory, "server.crt", pem_of(leaf_pem));
  put_durably(directory, "root.crt", pem_of(root_pem));
  put_durably(directory, "manifest.json", std::string(700, 'x'));
}

std::string read_whole(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t plain_scan(const std::vector<std::string>& certificates) {
  std::size_t soon = 0;
  std::time_t limit = to_unix(now) + 30L * 86400;
  for (const std::string& bytes : certificates) {
    const Bio bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
    const Cert certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!certificate) give_up("no certificate");
    soon += X509_cmp_time(X509_get0_notAfter(certificate.get()), &limit) < 0 ? 1 : 0;
  }
  return soon;
}

std::size_t our_scan(const std::vector<std::string>& certificates) {
  std::size_t soon = 0;
  for (const std::string& bytes : certificates) soon += must(x509::parse_certificates(bytes, "one")).front().facts().not_after < now + std::chrono::days{30} ? 1 : 0;
  return soon;
}

std::vector<std::string> all_in(const std::string& directory) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) out.push_back(read_whole(entry.path()));
  return out;
}

// ---- the commands ----

void issue_command() {
  const Issuing ca;
  const PlainCa plain;
  tell(compare(300, CLOCK_PROCESS_CPUTIME_ID, [&] { (void)issue(ca); }, [&] { (void)plain_issue(plain); }));
}

void store_command(const std::string& directory) {
  const Issuing ca;
  const PlainCa plain;
  RandomHex random;
  files::GenerationStore store(directory, "main", random);
  std::filesystem::create_directory(directory + "/plain");
  std::uint64_t number = 0;
  tell(compare(60, CLOCK_MONOTONIC, [&] { (void)must(store.stage(issue(ca), ++number, myself(), now)); }, [&] { plain_store(plain, directory + "/plain"); }));
}

void scan_command(const std::string& directory) {
  const auto certificates = all_in(directory);
  std::size_t ours = 0, limit = 0;
  const Pair pair = compare(5, CLOCK_PROCESS_CPUTIME_ID, [&] { ours = our_scan(certificates); }, [&] { limit = plain_scan(certificates); });
  if (ours != limit) give_up("the two scans differ");
  tell(pair);
}

void look_command(const std::string& directory, int count) {
  const Issuing ca;
  RandomHex random;
  files::GenerationStore store(directory, "main", random);
  std::vector<std::string> certificates;
  for (int i = 0; i < count; ++i) {
    GenerationContent content = issue(ca);
    certificates.push_back(content.chain_pem);
    certificates.push_back(content.root_pem);
    (void)must(store.stage(content, static_cast<std::uint64_t>(i + 1), myself(), now));
  }
  for (int i = 0; i < 3; ++i) (void)must(store.observe());
  tell(compare(5, CLOCK_PROCESS_CPUTIME_ID, [&] { (void)must(store.observe()); }, [&] { (void)plain_scan(certificates); }));
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 1 && words[0] == "issue") issue_command();
  else if (words.size() == 2 && words[0] == "store") store_command(words[1]);
  else if (words.size() == 2 && words[0] == "scan") scan_command(words[1]);
  else if (words.size() == 3 && words[0] == "look") look_command(words[1], std::atoi(words[2].c_str()));
  else give_up("usage: pieces issue | store DIRECTORY | scan DIRECTORY | look DIRECTORY N");
}
