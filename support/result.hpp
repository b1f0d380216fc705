// SPDX-License-Identifier: Apache-2.0
// The one error style: Result<T> holds a value or an Error. The spelling is std::expected's, for a later swap.
#pragma once

#include "support/error.hpp"

#include <tl/expected.hpp>

namespace dbuild {

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

/// An Error on its way out: `return fail(ErrorKind::unavailable, "cannot open x: permission denied");`
inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
    return tl::unexpected<Error>(Error{kind, std::move(message), {}, std::nullopt});
}
inline tl::unexpected<Error> fail(ErrorKind kind, std::string message, SourceSpan where) {
    return tl::unexpected<Error>(Error{kind, std::move(message), {}, std::move(where)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

} // namespace dbuild

#define DBUILD_CONCAT_INNER(a, b) a##b
#define DBUILD_CONCAT(a, b) DBUILD_CONCAT_INNER(a, b)

/// Leaves the function with the error of `expression`, a Status or Result whose value is not wanted.
#define DBUILD_TRY(expression)                                                                                         \
    do {                                                                                                               \
        auto dbuild_try_result = (expression);                                                                         \
        if (!dbuild_try_result) return ::dbuild::fail(std::move(dbuild_try_result).error());                           \
    } while (false)

/// `DBUILD_TRY_ASSIGN(auto digest, hash_file(path));` assigns the value or leaves the function with the error.
#define DBUILD_TRY_ASSIGN(declaration, expression)                                                                     \
    auto DBUILD_CONCAT(dbuild_try_, __LINE__) = (expression);                                                          \
    if (!DBUILD_CONCAT(dbuild_try_, __LINE__))                                                                         \
        return ::dbuild::fail(std::move(DBUILD_CONCAT(dbuild_try_, __LINE__)).error());                                \
    declaration = std::move(*DBUILD_CONCAT(dbuild_try_, __LINE__))
