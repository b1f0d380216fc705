// SPDX-License-Identifier: Apache-2.0
#include "support/digest.hpp"

#include <openssl/evp.h>

namespace dbuild {

Result<Digest> Digest::parse(std::string_view text) {
    constexpr std::string_view prefix = "sha256:";
    if (!text.starts_with(prefix) || text.size() != prefix.size() + 2 * k_size)
        return fail(ErrorKind::corrupt, "not a sha256 digest: \"" + std::string(text) + "\"");
    auto value_of = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
    std::array<std::uint8_t, k_size> bytes{};
    for (std::size_t i = 0; i < k_size; ++i) {
        const int high = value_of(text[prefix.size() + 2 * i]);
        const int low = value_of(text[prefix.size() + 2 * i + 1]);
        if (high < 0 || low < 0) return fail(ErrorKind::corrupt, "not a sha256 digest: \"" + std::string(text) + "\"");
        bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return Digest(bytes);
}

std::string Digest::hex() const {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(2 * k_size);
    for (const auto byte : bytes_) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

std::string Digest::to_string() const { return "sha256:" + hex(); }

namespace {

/// Fetched once: OpenSSL 3 looks an algorithm up anew for every EVP_sha256(), which small texts would pay for.
const EVP_MD* sha256_algorithm() {
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return algorithm;
}

} // namespace

struct Sha256::Impl {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    Impl() { EVP_DigestInit_ex2(context, sha256_algorithm(), nullptr); }
    ~Impl() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::start() { EVP_DigestInit_ex2(impl_->context, nullptr, nullptr); } // keeps the algorithm and its memory
void Sha256::update(std::string_view bytes) { EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()); }

Digest Sha256::finish() {
    std::array<std::uint8_t, Digest::k_size> bytes{};
    EVP_DigestFinal_ex(impl_->context, bytes.data(), nullptr);
    return Digest(bytes);
}

Digest sha256(std::string_view bytes) {
    thread_local Sha256 hasher; // its context is worth more than the digest of a short text
    hasher.start();
    hasher.update(bytes);
    return hasher.finish();
}

} // namespace dbuild
