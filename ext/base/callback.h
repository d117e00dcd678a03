// Callback<R(A...)>: something to call, held by reference: a parameter of functions that would otherwise be made once for every lambda they are given.
#pragma once

#include <memory>

namespace wf {

template <class Signature>
class Callback;

template <class R, class... A>
class Callback<R(A...)> {
 public:
  // What is called has to outlive this: pass it on, never keep it.
  template <class F>
  // NOLINTNEXTLINE(google-explicit-constructor): a lambda is written where a Callback is wanted
  Callback(const F& f) : object_(std::addressof(f)), call_([](const void* object, A... arguments) -> R { return (*static_cast<const F*>(object))(arguments...); }) {}

  R operator()(A... arguments) const { return call_(object_, arguments...); }

 private:
  const void* object_;
  R (*call_)(const void*, A...);
};

// What does something, and says how it went.
class Status;
using Doing = Callback<Status()>;

}  // namespace wf
