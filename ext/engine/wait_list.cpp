#include "engine/wait_list.h"

#include "base/json.h"
#include "base/numbers.h"
#include "engine/join.h"

namespace wf {
namespace {

class Reader {
 public:
  Reader(const char* place, Text& held) : place_(place), held_(held) {}

  Status read(json::Checked array, List<Awaited>* out) {
    for (json::Elements e(array); e.next(); ++i_) WF_TRY(read_one(e.value()));
    for (size_t i = 0; i < things_.size() && held_.ok() && things_.ok(); ++i) {
      Awaited thing = things_[i];
      const size_t from = static_cast<size_t>(ends_[2 * i]);
      const size_t size = static_cast<size_t>(ends_[2 * i + 1]) - from;
      if (size != 0) thing.names = part(held_.view(), from, size);
      out->add(thing);
    }
    return held_.ok() && things_.ok() && ends_.ok() && out->ok() ? Status() : Status::no_memory();
  }

 private:
  Status wrong(const char* what, json::Checked got) {
    return Status::error(Code::invalid, "%s[%lld] %s, got %.*s", place_, static_cast<long long>(i_), what, WF_SV(excerpt(got.text())));
  }

  Status read_one(json::Checked object) {
    Awaited thing;
    json::Checked what, mode, outputs;
    int kinds = 0;
    if (!object.is(json::Kind::object)) return wrong("must be an object", object);
    for (json::Members m(object); m.next();) {
      const json::Checked value = m.value();
      json::Checked* slot = nullptr;
      if (m.key_is("mode")) slot = &mode;
      else if (m.key_is("outputs")) slot = &outputs;
      else if (m.key_is("as")) WF_TRY(read_as(value, &thing));
      else if (const int64_t kind = kind_of(m); kind >= 0) {
        thing.kind = static_cast<WaitKind>(kind);
        slot = &what;
        ++kinds;
      } else if (m.key_is("acquire")) {
        return wrong("has acquire, which is no entry: a share is spent when the caller is told of it; wait for it by wf_acquire(), with \"keep\" beside others", object);
      } else {
        return wrong("has an unknown key: allowed are signal, event, join, sleep, as, mode, outputs", m.key());
      }
      if (slot == nullptr) continue;
      if (*slot) return wrong("has a key twice, or two of signal, event, join, sleep", object);
      *slot = value;
    }
    if (kinds != 1) return wrong("must have one of signal, event, join, sleep", object);
    if ((mode || outputs) && thing.kind != WaitKind::join) return wrong("has mode or outputs, which only a join has", object);
    WF_TRY(read_options(mode, outputs, &thing));
    ends_.add(static_cast<int64_t>(held_.size()));
    if (thing.kind == WaitKind::sleep) WF_TRY(read_sleep(what, &thing));
    else WF_TRY(read_names(what, &thing));
    ends_.add(static_cast<int64_t>(held_.size()));
    things_.add(thing);
    return {};
  }

  static int64_t kind_of(const json::Members& m) {
    constexpr string_view words[] = {"sleep", "signal", "event", "join"};
    for (size_t i = 0; i < std::size(words); ++i) {
      if (m.key_is(words[i])) return static_cast<int64_t>(i);
    }
    return -1;
  }

  Status read_as(json::Checked value, Awaited* thing) {
    Text name;
    json::unquote(value, name);
    if (!name.ok()) return Status::no_memory();
    if (!value.is(json::Kind::string) || !thing->as.empty()) return wrong("must have one text as \"as\"", value);
    thing->as = value.text();
    return check_name("\"as\"", name.view());
  }

  Status read_options(json::Checked mode, json::Checked outputs, Awaited* thing) {
    if (mode) {
      thing->any = mode.text() == "\"any\"";
      if (!thing->any && mode.text() != "\"all\"") return wrong("must have the mode any or all", mode);
    }
    if (outputs) {
      thing->outputs = outputs.text() == "true";
      if (!outputs.is(json::Kind::boolean)) return wrong("must have true or false as outputs", outputs);
    }
    return {};
  }

  Status read_sleep(json::Checked value, Awaited* thing) {
    Text text;
    json::unquote(value, text);
    if (!text.ok()) return Status::no_memory();
    if (value.is(json::Kind::string)) {
      if (parse_duration(text.view(), &thing->length)) return {};
      thing->length = kNoTime;
      if (parse_time(text.view(), &thing->due)) return {};
    } else if (json::to_thousandths(value, &thing->length) && thing->length >= 0 && thing->length <= kDurationMax) {
      return {};
    }
    return wrong("must sleep for a duration like '30s', a number of seconds, or until a time", value);
  }

  Status read_names(json::Checked value, Awaited* thing) {
    const bool join = thing->kind == WaitKind::join;
    if (join && value.is(json::Kind::null)) return {};
    const bool one = !join && value.is(json::Kind::string);
    if (!one && !value.is(json::Kind::array)) return wrong(join ? "must join a JSON array of ids, or null" : "must have a name or a JSON array of names", value);
    if (one) WF_TRY(check(value, join));
    size_t count = one;
    for (json::Elements e(value); e.next(); ++count) WF_TRY(check(e.value(), join));
    if (count == 0 && !join) return wrong("must have at least one name", value);
    if (one) held_.add('[').add(value.text()).add(']');
    else thing->names = value.text();  // as it stands: it may be long
    return join && thing->any ? check_any(value.text(), value.stop()) : Status();
  }

  Status check(json::Checked name, bool join) {
    Text text;
    json::unquote(name, text);
    if (!text.ok()) return Status::no_memory();
    if (!name.is(json::Kind::string)) return wrong("must have names", name);
    return join ? check_id("an id of waits", text.view()) : check_name("a name of waits", text.view());
  }

  const char* place_;
  int64_t i_ = 0;
  Text& held_;
  Numbers ends_;
  List<Awaited> things_;
};

}  // namespace

Status read_wait_list(const char* place, json::Checked array, Text& held, List<Awaited>* out) { return Reader(place, held).read(array, out); }

}  // namespace wf
