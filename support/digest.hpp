// SPDX-License-Identifier: Apache-2.0
// SHA-256 digests: the strong type, and the incremental hasher over OpenSSL (hardware instructions where there are
// any).
#pragma once

#include "support/result.hpp"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace dbuild {

/// A SHA-256 digest, 32 bytes. Its text form is "sha256:" and 64 lower-case hexadecimal digits.
class Digest {
public:
    static constexpr std::size_t k_size = 32;
    Digest() = default; // all zero: "no digest"
    explicit Digest(const std::array<std::uint8_t, k_size>& bytes) : bytes_(bytes) {}

    /// In: "sha256:<64 hex>". Errors: corrupt.
    static Result<Digest> parse(std::string_view text);

    std::string to_string() const; // "sha256:…"
    std::string hex() const;       // 64 digits
    const std::array<std::uint8_t, k_size>& bytes() const { return bytes_; }
    bool is_zero() const { return *this == Digest(); }
    friend auto operator<=>(const Digest&, const Digest&) = default;

private:
    std::array<std::uint8_t, k_size> bytes_{};
};

/// Incremental SHA-256. finish() may be called once, and again after start().
class Sha256 {
public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;

    void start(); // forgets what came before
    void update(std::string_view bytes);
    Digest finish();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

Digest sha256(std::string_view bytes);

} // namespace dbuild
