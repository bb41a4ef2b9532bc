// Owners of libsystemd's handles. Only for this room's .cpp files.
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include <memory>

namespace pgcertd::service {

struct EventUnref {
  void operator()(sd_event* event) const noexcept { sd_event_unref(event); }
};
struct SourceUnref {
  void operator()(sd_event_source* source) const noexcept { sd_event_source_disable_unref(source); }
};
struct BusClose {
  void operator()(sd_bus* bus) const noexcept { sd_bus_close_unref(bus); }   // no flush: it could block on a bus that hangs
};
struct SlotUnref {
  void operator()(sd_bus_slot* slot) const noexcept { sd_bus_slot_unref(slot); }
};
struct MessageUnref {
  void operator()(sd_bus_message* message) const noexcept { sd_bus_message_unref(message); }
};

using EventPtr = std::unique_ptr<sd_event, EventUnref>;
using SourcePtr = std::unique_ptr<sd_event_source, SourceUnref>;
using BusPtr = std::unique_ptr<sd_bus, BusClose>;
using SlotPtr = std::unique_ptr<sd_bus_slot, SlotUnref>;
using MessagePtr = std::unique_ptr<sd_bus_message, MessageUnref>;

}  // namespace pgcertd::service
