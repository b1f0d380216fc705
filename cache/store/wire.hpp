// SPDX-License-Identifier: Apache-2.0
// The bytes of the store's own formats: LEB128 numbers, length-prefixed texts, digests; and a reader that bounds
// everything by what is there. docs/store_format.md describes the formats.
#pragma once

#include "support/digest.hpp"

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace dbuild::cache::store {

class WireWriter {
public:
    void number(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
        bytes_ += static_cast<char>(value);
    }
    void text(std::string_view value) {
        number(value.size());
        bytes_ += value;
    }
    void raw(std::string_view value) { bytes_ += value; }
    void digest(const Digest& value) {
        bytes_.append(reinterpret_cast<const char*>(value.bytes().data()), Digest::k_size);
    }
    std::size_t size() const { return bytes_.size(); }
    std::string take() { return std::exchange(bytes_, {}); }

private:
    std::string bytes_;
};

/// After a failed read every further one gives zeros; ask failed() before the values are used.
class WireReader {
public:
    explicit WireReader(std::string_view bytes) : rest_(bytes) {}

    std::uint64_t number() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            if (rest_.empty()) break;
            const auto byte = static_cast<unsigned char>(rest_.front());
            rest_.remove_prefix(1);
            value |= std::uint64_t{byte & 0x7fu} << shift;
            if (byte < 0x80) return value;
        }
        failed_ = true;
        rest_ = {};
        return 0;
    }
    /// A count of things of at least `least_bytes` each: never more than the rest can hold.
    std::uint64_t count(std::size_t least_bytes) {
        const auto value = number();
        if (value <= rest_.size() / least_bytes) return value;
        failed_ = true;
        return 0;
    }
    std::string_view raw(std::uint64_t size) {
        if (size > rest_.size()) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const auto taken = rest_.substr(0, static_cast<std::size_t>(size));
        rest_.remove_prefix(taken.size());
        return taken;
    }
    std::string_view text() { return raw(number()); }
    Digest digest() {
        std::array<std::uint8_t, Digest::k_size> bytes{};
        const auto taken = raw(bytes.size());
        if (taken.size() == bytes.size()) std::memcpy(bytes.data(), taken.data(), bytes.size());
        return Digest(bytes);
    }
    bool failed() const { return failed_; }
    bool at_end() const { return rest_.empty(); }

private:
    std::string_view rest_;
    bool failed_ = false;
};

} // namespace dbuild::cache::store
