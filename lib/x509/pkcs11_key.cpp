#include "x509/pkcs11_key.hpp"

#include <fmt/format.h>
#include <openssl/ui.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "x509/handles.hpp"
#include "x509/openssl_error.hpp"
#include "x509/weakness.hpp"

// Debian 12 has no provider for PKCS#11, so the ENGINE API stays, deprecated as it is, in this one file.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <openssl/engine.h>

namespace pgcertd::x509 {
namespace {

constexpr const char* default_module = "p11-kit-proxy.so";   // every module that the system knows (/usr/share/p11-kit/modules)

// ---- no prompt, ever: libp11 would ask on the terminal for a PIN that it lacks

thread_local bool prompted = false;
int open_nothing(UI*) noexcept { return 1; }
int write_nothing(UI*, UI_STRING*) noexcept { return 1; }
int refuse_to_ask(UI*, UI_STRING*) noexcept {
  prompted = true;
  return 0;
}

UI_METHOD* silent_ui() {
  static UI_METHOD* const method = [] {
    UI_METHOD* made = UI_create_method("pgcertd asks nobody");
    if (made && (UI_method_set_opener(made, open_nothing) != 0 || UI_method_set_writer(made, write_nothing) != 0 || UI_method_set_reader(made, refuse_to_ask) != 0))
      made = nullptr;
    return made;
  }();
  return method;
}

// ---- what the queue says

struct Complaint {
  bool login_refused = false;   // the token has counted, or may have counted, a wrong PIN
  bool module_failed = false;
  std::string text;
};

bool counts_as_refused(int ckr) {
  constexpr int general_error = 0x05, function_failed = 0x06, device_error = 0x30, pin_incorrect = 0xA0, pin_locked = 0xA4;
  return (ckr >= pin_incorrect && ckr <= pin_locked) || ckr == general_error || ckr == function_failed || ckr == device_error;
}

Complaint read_queue() {
  Complaint out;
  while (const unsigned long code = ERR_get_error()) {
    const char* library = ERR_lib_error_string(code);
    const char* reason = ERR_reason_error_string(code);
    const std::string_view from = library ? library : "";
    if (from == "PKCS#11 module") out.login_refused = out.login_refused || counts_as_refused(ERR_GET_REASON(code));
    // The engine's own "invalid parameter" comes where the module could not be started: nobody has logged in then.
    if (from == "libp11" || (from == "pkcs11 engine" && reason && std::string_view(reason) == "invalid parameter")) out.module_failed = true;
    if ((from == "PKCS#11 module" || from == "libp11") && reason && out.text.empty()) out.text = reason;
  }
  if (out.module_failed) out.login_refused = false;
  return out;
}

// ---- which module is loaded into this process

// Only what root alone can change, and of this system: a medium that is brought along may hold files of any owner.
Result<std::string> checked_module(const std::string& path) {
  const std::string remedy = "install the module below /usr or /opt, or name it in the environment: PKCS11_MODULE_PATH";
  std::error_code error;
  const auto real = std::filesystem::canonical(path, error);
  if (error) return fail(Errc::not_found, fmt::format("module-path \"{}\": {}", printable(path), error.message()), "install the PKCS#11 module of the token");
  const std::string text = real.string();
  if (!path.starts_with('/') || !(text.starts_with("/usr/") || text.starts_with("/opt/")))
    return fail(Errc::refused, fmt::format("module-path \"{}\" is not below /usr or /opt: code from elsewhere is not loaded", printable(path)), remedy);
  for (auto at = real; at != at.root_path(); at = at.parent_path()) {
    struct stat seen {};
    if (::stat(at.c_str(), &seen) != 0) return fail(errno_error("stat", at.string(), errno));
    if (seen.st_uid != 0 || (seen.st_mode & (S_IWGRP | S_IWOTH)) != 0)
      return fail(Errc::refused, fmt::format("module-path \"{}\": others than root may write \"{}\"", printable(path), printable(at.string())), remedy);
  }
  return text;
}

Result<std::string> module_for(const Pkcs11Uri& uri) {
  if (!uri.module_path.empty()) return checked_module(uri.module_path);
  const char* named = std::getenv("PKCS11_MODULE_PATH");   // whoever sets our environment could preload code as well
  if (!named || !*named) return std::string(default_module);
  std::error_code error;
  if (!std::filesystem::is_regular_file(named, error))   // libp11 would complain on standard error, at each look
    return fail(Errc::not_found, fmt::format("PKCS11_MODULE_PATH names \"{}\", and there is no such file", printable(named)), "install the token's PKCS#11 module, or unset PKCS11_MODULE_PATH: p11-kit's modules serve then");
  return std::string(named);
}

// ---- the one engine of the process. libp11 0.4.12 binds once only, and its keys keep it from being freed.

class Engine {
 public:
  static Engine& instance() {
    static Engine* const engine = new Engine;   // NOLINT: never destroyed, as keys in static objects may outlive it
    return *engine;
  }

  Result<PrivateKey> open(const Pkcs11Uri& uri, std::string_view name, const Secret& pin);
  void forget_refused() {
    const std::lock_guard lock(mutex_);
    refused_.clear();
  }

 private:
  struct Refused {
    std::string token;
    Secret pin;
  };

  Result<void> load();
  Result<void> choose(const std::string& module);
  Result<KeyPtr> login_and_find(const Pkcs11Uri& uri, std::string_view name, const Secret& pin);
  Error why(const Pkcs11Uri& uri, std::string_view name, const Secret& pin);
  [[nodiscard]] bool was_refused(const std::string& token, const Secret& pin) const;
  std::shared_ptr<void> lease();
  void rest();

  std::mutex mutex_;
  ENGINE* engine_ = nullptr;
  std::string module_;
  int keys_ = 0;                  // that are open
  std::vector<Refused> refused_;
};

Error pin_refused(const Pkcs11Uri& uri, std::string_view name, std::string_view how) {
  return make_error(Errc::crypto, fmt::format("\"{}\": the PIN of the token {} {}", name, printable(uri.token), how),
                    "correct the PIN: this one is not tried again, as a token locks itself after a few; if it is the token that was changed, systemctl reload pgcertd");
}

Result<void> Engine::load() {
  if (engine_) return {};
  ENGINE* found = ENGINE_by_id("pkcs11");
  if (!found) return fail(Errc::not_found, "OpenSSL has no engine \"pkcs11\" (" + first_reason() + ")", "apt install libengine-pkcs11-openssl");
  // QUIET: it writes URIs to standard error otherwise. FORCE_LOGIN: one try, with the PIN, and not one without before it.
  const bool ready = silent_ui() && ENGINE_ctrl_cmd_string(found, "QUIET", nullptr, 0) == 1 && ENGINE_ctrl_cmd_string(found, "FORCE_LOGIN", nullptr, 0) == 1 &&
                     ENGINE_ctrl_cmd(found, "SET_USER_INTERFACE", 0, silent_ui(), nullptr, 0) == 1 && ENGINE_init(found) == 1;
  if (!ready) {
    ENGINE_free(found);
    return fail(openssl_error("ENGINE_init", "pkcs11"));
  }
  engine_ = found;
  return {};
}

Result<void> Engine::choose(const std::string& module) {
  if (keys_ > 0 && module != module_)
    return fail(Errc::busy, fmt::format("the PKCS#11 module \"{}\" is in use, and one process takes one at a time: \"{}\" is not loaded", printable(module_), printable(module)),
                "leave module-path out of the URIs, so that p11-kit serves all tokens through one module");
  if (ENGINE_ctrl_cmd_string(engine_, "MODULE_PATH", module.c_str(), 0) != 1) return fail(openssl_error("MODULE_PATH", module));
  module_ = module;
  return {};
}

bool Engine::was_refused(const std::string& token, const Secret& pin) const {
  for (const Refused& one : refused_)
    if (one.token == token && one.pin.view() == pin.view()) return true;
  return false;
}

// The module forgets tokens, sessions and logins, and libp11 its copy of the PIN: the next key finds what is plugged in by then.
void Engine::rest() {
  if (keys_ == 0)
    if (const auto finish = ENGINE_get_finish_function(engine_)) finish(engine_);
}

std::shared_ptr<void> Engine::lease() {
  ++keys_;
  return {this, [](Engine* engine) {
            const std::lock_guard lock(engine->mutex_);
            --engine->keys_;
            engine->rest();
          }};
}

Error Engine::why(const Pkcs11Uri& uri, std::string_view name, const Secret& pin) {
  const Complaint complaint = read_queue();
  if (complaint.login_refused) {
    refused_.push_back({uri.token, pin.clone()});
    return pin_refused(uri, name, "was refused: " + complaint.text);
  }
  if (complaint.module_failed)
    return make_error(Errc::not_found, fmt::format("\"{}\": the PKCS#11 module \"{}\" cannot be used: {}", name, printable(module_), complaint.text),
                      "apt install p11-kit-modules and the token's own module; pkcs11-tool --module MODULE --list-slots tries it");
  if (!complaint.text.empty())
    return make_error(Errc::not_found, fmt::format("\"{}\": the token {} failed: {}", name, printable(uri.token), complaint.text), "look whether the token is plugged in and answers: pkcs11-tool --list-slots");
  return make_error(Errc::not_found, fmt::format("\"{}\": {} leads to no private key: no token or several fit, or it has no such key (libp11 reads none where an Ed25519 key lies beside them)", name, printable(uri.path)),
                    "look whether the token is plugged in, and at its objects: pkcs11-tool --list-slots; pkcs11-tool --login --list-objects");
}

Result<KeyPtr> Engine::login_and_find(const Pkcs11Uri& uri, std::string_view name, const Secret& pin) {
  Secret text = Secret::with_size(pin.size() + 1);   // ended by a zero
  std::copy(pin.view().begin(), pin.view().end(), text.data());
  if (ENGINE_ctrl_cmd_string(engine_, "PIN", text.data(), 0) != 1) return fail(openssl_error("ENGINE_ctrl_cmd_string", "PIN"));
  KeyPtr key(ENGINE_load_private_key(engine_, uri.path.c_str(), silent_ui(), nullptr));
  Result<KeyPtr> out = key ? Result<KeyPtr>(std::move(key)) : fail(why(uri, name, pin));
  ENGINE_ctrl_cmd_string(engine_, "PIN", "", 0);     // wipes the engine's copy
  return out;
}

Result<PrivateKey> Engine::open(const Pkcs11Uri& uri, std::string_view name, const Secret& pin) {
  PGCERTD_TRY(const std::string module, module_for(uri));
  std::shared_ptr<void> lease_of_key;   // outlives the lock: it takes it to end
  const std::lock_guard lock(mutex_);
  if (was_refused(uri.token, pin)) return fail(pin_refused(uri, name, "was refused before, and is not tried again"));
  PGCERTD_CHECK(load());
  PGCERTD_CHECK(choose(module));
  auto found = login_and_find(uri, name, pin);
  if (!found) {
    rest();
    return fail(std::move(found).error());
  }
  lease_of_key = lease();
  PGCERTD_TRY(PrivateKey key, adopt_from_token(std::move(*found), lease_of_key));
  return key;
}

Result<void> check_kind(const PrivateKey& key, std::string_view name) {
  const std::string weak = weak_key(key.key_name());
  if (key.type() != KeyType::other && weak.empty()) return {};
  return fail(Errc::refused, fmt::format("\"{}\": a {} key in the token is none for a CA{}", name, key.key_name(), weak.empty() ? "" : ": " + weak), "make an ecdsa-p256, ecdsa-p384 or rsa-3072 key there");
}

}  // namespace

Result<PrivateKey> open_pkcs11_key(std::string_view bytes, std::string_view name, const Secret& pin) {
  const CleanErrorQueue clean;
  PGCERTD_TRY(const Pkcs11Uri uri, parse_pkcs11_uri(bytes, name));
  if (pin.empty() || pin.view().find('\0') != std::string_view::npos) return fail(Errc::invalid, fmt::format("\"{}\": the PIN is empty, or a NUL stands in it", name));
  PGCERTD_TRY(PrivateKey key, Engine::instance().open(uri, name, pin));
  PGCERTD_CHECK(check_kind(key, name));
  prompted = false;
  const auto proved = key.prove();
  if (prompted)
    return fail(Errc::refused, fmt::format("\"{}\": this key asks for the PIN at each signature (CKA_ALWAYS_AUTHENTICATE)", name), "make a key in the token without that attribute");
  if (!proved) return fail(Error(proved.error()).within(name));
  return key;
}

void forget_refused_pins() { Engine::instance().forget_refused(); }

}  // namespace pgcertd::x509

#pragma GCC diagnostic pop
