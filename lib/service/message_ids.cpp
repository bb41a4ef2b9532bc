#include "service/message_ids.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace pgcertd::service {
namespace {

constexpr std::array table{
    MessageRow{"daemon-started", "aac35056993e44b292354b0c563dd28d", "The daemon has started."},
    MessageRow{"daemon-stopped", "09e4518b86a1417fb0996433e2e592c7", "The daemon has stopped."},
    MessageRow{"config-loaded", "60e35a5c16ec43e2b1dad62267772477", "A configuration was loaded and is in force."},
    MessageRow{"config-refused", "94482a7c43fc483ca61c648ba3f8c962", "A configuration was refused; the former one stays in force."},
    MessageRow{"certificate-issued", "c97d676fe6e14422bef0d553f20896c4", "An issuer has signed a certificate."},
    MessageRow{"generation-staged", "b5ed0a844ecf4bafa1046a7e242aa7fc",
               "A new generation of files was written; it is not live yet."},
    MessageRow{"preflight-refused", "947cc82558a54e96b6ef5f75baa5e2b5",
               "A new generation was refused before it was published; nothing live was touched."},
    MessageRow{"generation-published", "0cb71bb8f9d541b48e42178021e8c0fa",
               "A generation was made the current one; it is not proved yet."},
    MessageRow{"settings-changed", "08f1c6d60afe4554a40914a78e0ed08d", "ssl settings of the server were changed."},
    MessageRow{"reload-asked", "b3d6963a4af34f4cb436aac7ad587809", "The server was asked to reload; that proves nothing."},
    MessageRow{"path-linked", "2d9a7d6f5e3b4a0c8f1e6b7c9d204a31", "A path that the server's settings name was made a link to the current file (layout in-place)."},
    MessageRow{"restart-asked", "5f1f0a4c2c9c4f0e9f6b3d0d7a1e8b52", "PostgreSQL is restarted, as the policy of the cluster allows; that proves nothing."},
    MessageRow{"restart-proved", "8c0b6f0e7d1a4b7f8a3e52c94d6f1b07", "After a restart of PostgreSQL a handshake showed the certificate on disk."},
    MessageRow{"rotation-proved", "07230aa78b734823a6f9d764dab5cbf1", "A handshake showed the new certificate."},
    MessageRow{"rolled-back", "4f5f02c932544bae82acc73e4c9610fa",
               "The server did not serve the new certificate; the last proved pair is back."},
    MessageRow{"rotation-failed", "edf507e776d448ecad0ab627c7df9fbe", "A rotation failed; it is tried again later."},
    MessageRow{"file-repaired", "f0b32016abb947da9811fed04e09e77f", "Owner or mode of an installed file was repaired."},
    MessageRow{"file-changed", "05a32c36fed7476a980e3e2a56290986", "Somebody else changed an installed file."},
    MessageRow{"problem-stands", "c2c1c269e7cb4679939f3a5cd022e45b", "A problem was found and stands."},
    MessageRow{"problem-gone", "03dcb4c5c7b84f77a713787924a32255", "A problem is gone."},
    MessageRow{"takeover-needed", "6e9583c6adc24972ac9c896b19407faf",
               "A certificate of somebody else is in place; it is not replaced without consent."},
    MessageRow{"takeover-granted", "42f6c18935b8493683a9e4067610365b", "An operator allowed the takeover of a cluster."},
    MessageRow{"certificate-revoked", "a2d1c4f0b6e74a4f9a3d1f1c5be0d7e3", "An operator had a certificate revoked."},
    MessageRow{"client-certificate-issued", "b4e1d7a60c3f4b28957ad1f3e6c0a814", "An operator had a certificate issued for a client."},
    MessageRow{"crl-fetched", "19b7f0c4e2d84a6b95c3a8e1d06f7b24", "The CRLs of another CA were fetched again, after that had failed."},
    MessageRow{"crl-fetch-failed", "c8d2a6f04b9e4173a5e7b1c0d3f86942", "The CRLs of another CA could not be fetched; what was kept of them stays."},
    MessageRow{"root-answered", "2f9d6b10a7c84e35b1d8f4036ae7c952", "What the root signed came back and is in force: certificates, CRLs."},
    MessageRow{"crl-imported", "5c9e0b7f2a6d4d13a8b0e4c1f7d35926", "An operator had CRLs imported."},
    MessageRow{"sessions-ended", "e3a7c05b1d6f4289b1f0c8d4a97e2563", "An operator had the sessions of a revoked client certificate ended."},
    MessageRow{"rollback-asked", "1d0ae6410ab1499cae1b9892c23bebb7", "An operator asked for the pair that was proved before."},
    MessageRow{"rotation-asked", "1fc45b8380d8496790afd9a8048a76b2", "An operator asked for a rotation."},
    MessageRow{"paused", "3c5186bc1fcb4fd5a2abde100f159467", "Rotation is paused; CRLs and repairs go on."},
    MessageRow{"resumed", "f92581f1afc0401fb98ef73ce2ba15a8", "Rotation is no longer paused."},
    MessageRow{"generation-collected", "47695e4023fc42e7bb3acd8912b0d71c", "An old generation was removed and its key wiped."},
    MessageRow{"crl-installed", "7a0e5d1c3b9f4826a1d4e0c7f5b8a362", "A generation with newer CRLs is current, and the server was told to load it."},
    MessageRow{"crl-proved", "0f6b2c8d7e3a4519b8c5d2a1f4e79b06", "A handshake with a certificate that the new CRL revokes was refused: the server has loaded it."},
    MessageRow{"crl-signed", "f287181ba37746a4a871ca7ff2b7bb46", "An issuer has signed a new CRL."},
    MessageRow{"clock-jumped", "81d0e284aff5495ca3d6c22c8a645ef6", "The wall clock jumped; issuing waits until it is stable."},
    MessageRow{"worker-stale", "c33cdbc672cb4de0b0c33ad28efafdf0",
               "A worker does not move; the service manager's watchdog will restart the daemon."},
    MessageRow{"watch-failed", "bb1d973b0e8e4013ab86d7ac1c1baa65",
               "Files could not be watched; changes are seen at the next full pass."},
    MessageRow{"chain-head", "3d0f6a1b5c2e4d77a84e9b06c1f2d358", "The hash with which the chain of events ends: pgcertctl events --verify --head HASH tells whether it is still part of it."},
    MessageRow{"chain-broken", "b81e47d09a3c4f5e92d6c0a7e35f1b64", "The chain of events does not verify: a record was changed, taken out or put in."},
    MessageRow{"action-failed", "a26f26e3401644489cf11d30b9d03a08",
               "A step of the plan failed; it is tried again with growing pauses."},
    MessageRow{"request-made", "da0b62394b804906ade2ea9dc317d02d",
               "A new key and a request were made and wait for their certificate."},
    MessageRow{"request-dropped", "acc4db66e2004181aab77505527098fb", "A request was dropped; its key was wiped."},
    MessageRow{"adoption-proved", "968394f240634a36ab1fe3bd48658cc2",
               "The server uses a copy of its own pair; a handshake showed it."},
    MessageRow{"rollback-proved", "d7d04f3d914743708f1a76b1abe5c6fe", "A handshake showed the pair that was gone back to."},
    MessageRow{"served-again", "19a4fb011b5f433b860420a4495d53d2",
               "The server serves the current certificate again, after it served another one."},
};

}  // namespace

std::span<const MessageRow> message_table() noexcept { return table; }

const MessageRow* message_row(std::string_view event) noexcept {
  const auto* found = std::find_if(table.begin(), table.end(), [&](const MessageRow& row) { return row.event == event; });
  return found == table.end() ? nullptr : found;
}

std::string journal_catalog() {
  std::string out;
  for (const MessageRow& row : table)
    fmt::format_to(std::back_inserter(out), "-- {}\nSubject: pgcertd: {}\nDefined-By: pgcertd\n\n{}\n\n", row.id, row.event,
                   row.text);
  return out;
}

}  // namespace pgcertd::service
