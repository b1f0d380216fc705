// SPDX-License-Identifier: Apache-2.0
// A shared library that is loaded when it is needed, so that no other start of the program pays for it.
#pragma once

#include <dlfcn.h>

#include <string>
#include <type_traits>

namespace dbuild {

/// Never unloaded: libraries keep state for the process.
class SharedLibrary {
public:
    /// In: name — as the loader searches it: "libcurl.so.4".
    explicit SharedLibrary(const char* name) : handle_(::dlopen(name, RTLD_LAZY | RTLD_LOCAL)) {
        if (!handle_) problem_ = ::dlerror();
    }

    /// In: function — a pointer to a function of that name, which is set.
    template <class Function>
    void find(Function*& function, const char* name) {
        if (!is_complete()) return;
        function = reinterpret_cast<Function*>(::dlsym(handle_, name));
        if (!function) problem_ = std::string("no function ") + name;
    }

    bool is_complete() const { return problem_.empty(); }
    /// Why there is no library, or what it lacks; "" if it is complete.
    const std::string& problem() const { return problem_; }

private:
    void* handle_;
    std::string problem_;
};

} // namespace dbuild
