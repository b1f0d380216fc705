// SPDX-License-Identifier: Apache-2.0
#include "dockerfile_parser/run_mount.hpp"

#include "dockerfile_parser/flags.hpp"
#include "dockerfile_parser/unicode.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace dbuild::dockerfile_parser {
namespace {

constexpr std::array<std::string_view, 5> k_type_names = {"bind", "cache", "tmpfs", "secret", "ssh"};

tl::unexpected<Error> invalid(std::string message) { return fail(ErrorKind::invalid_dockerfile, std::move(message)); }

struct Field {
    std::string key; // lower case
    std::optional<std::string> value;
};

Field split_field(const std::string& text) {
    const auto equals = text.find('=');
    if (equals == text.npos) return {ascii_lower(text), std::nullopt};
    return {ascii_lower(text.substr(0, equals)), text.substr(equals + 1)};
}

std::optional<std::uint32_t> parse_number(std::string_view text, int base) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// Docker's go-units RAMInBytes: "64m", "1.5 GiB". Nothing for what is no size.
std::optional<std::uint64_t> parse_size(std::string_view text) {
    constexpr std::string_view k_units = "bkmgtp"; // each 1024 of the one before
    const auto last = text.find_last_of("0123456789. ");
    if (last == text.npos) return std::nullopt;
    auto number = text.substr(0, last + 1);
    if (number.ends_with(' ')) number.remove_suffix(1);
    std::string unit = ascii_lower(text.substr(last + 1));
    if (unit.size() > 1 && unit.ends_with('b')) unit.pop_back();
    if (unit.size() > 1 && unit.ends_with('i')) unit.pop_back();
    const auto power = unit.empty() ? 0 : k_units.find(unit);
    double count = 0;
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), count, std::chars_format::fixed);
    const bool is_number = error == std::errc() && end == number.data() + number.size() && count >= 0;
    if (!is_number || unit.size() > 1 || power == k_units.npos) return std::nullopt;
    const double bytes = std::ldexp(count, 10 * static_cast<int>(power));
    if (bytes >= std::ldexp(1.0, 63)) return std::nullopt;
    return static_cast<std::uint64_t>(bytes);
}

/// Collects the fields; what depends on several of them is checked at the end.
class MountReader {
public:
    Status read(const std::string& key, const std::optional<std::string>& value, const std::string& field) {
        if (key == "readonly" || key == "ro") return set_read_only(key, value, true);
        if (key == "readwrite" || key == "rw") return set_read_only(key, value, false);
        if (key == "required") return set_flag(key, value, mount_.is_required);
        if (!value) return invalid(fmt::format("invalid field '{}' must be a key=value pair", field));
        return set_value(key, *value, field);
    }

    Result<RunMount> finish() {
        const auto type = mount_.type;
        const auto name = to_string(type);
        if (type != MountType::secret && type != MountType::ssh && type != MountType::cache) {
            if (mount_.mode) return invalid(fmt::format("mode not allowed for \"{}\" type mounts", name));
            if (mount_.uid) return invalid(fmt::format("uid not allowed for \"{}\" type mounts", name));
            if (mount_.gid) return invalid(fmt::format("gid not allowed for \"{}\" type mounts", name));
        }
        if (!access_is_given_) mount_.is_read_only = type != MountType::cache && type != MountType::tmpfs;
        if (mount_.size_bytes && type != MountType::tmpfs)
            return invalid(fmt::format("unexpected key 'size' for mount type '{}'", name));
        if (!mount_.sharing.empty() && type != MountType::cache)
            return invalid(fmt::format("invalid cache sharing set for {} mount", name));
        if (type == MountType::secret) {
            if (!mount_.from.empty()) return invalid("secret mount should not have a from");
            if (mount_.source.empty() && mount_.target.empty() && mount_.id.empty())
                return invalid("invalid secret mount. one of source, target required");
            if (!mount_.source.empty() && !mount_.id.empty()) return invalid("both source and id can't be set");
        }
        return std::move(mount_);
    }

private:
    Status set_flag(const std::string& key, const std::optional<std::string>& value, bool& place) {
        const auto given = value ? parse_boolean(*value) : true;
        if (!given) return invalid(fmt::format("invalid value for {}: {}", key, *value));
        place = *given;
        return {};
    }

    Status set_read_only(const std::string& key, const std::optional<std::string>& value, bool meaning) {
        bool given = false;
        DBUILD_TRY(set_flag(key, value, given));
        mount_.is_read_only = given == meaning;
        access_is_given_ = true;
        return {};
    }

    Status set_value(const std::string& key, const std::string& value, const std::string& field) {
        if (key == "type") return set_type(value);
        if (key == "from") return mount_.from = value, Status();
        if (key == "source" || key == "src") return mount_.source = value, Status();
        if (key == "target" || key == "dst" || key == "destination") return mount_.target = value, Status();
        if (key == "id") return mount_.id = value, Status();
        if (key == "size") {
            mount_.size_bytes = parse_size(value);
            if (!mount_.size_bytes) return invalid(fmt::format("invalid value for {}: {}", key, value));
            return {};
        }
        if (key == "env") return mount_.environment_name = value, Status();
        if (key == "sharing") {
            mount_.sharing = ascii_lower(value);
            if (mount_.sharing == "shared" || mount_.sharing == "private" || mount_.sharing == "locked") return {};
            return invalid(fmt::format("unsupported sharing value \"{}\"", value));
        }
        if (key == "mode" || key == "uid" || key == "gid") {
            const auto number = parse_number(value, key == "mode" ? 8 : 10);
            if (!number) return invalid(fmt::format("invalid value {} for {}", value, key));
            (key == "mode" ? mount_.mode : key == "uid" ? mount_.uid : mount_.gid) = number;
            return {};
        }
        static const std::vector<std::string> keys = {
            "type", "from", "source", "target", "readonly",    "id", "sharing", "required",  "size", "mode",
            "uid",  "gid",  "src",    "dst",    "destination", "ro", "rw",      "readwrite", "env"};
        return invalid(
            fmt::format("unexpected key '{}' in '{}'{}", key, field, suggestion(key, keys, CaseRule::insensitive)));
    }

    Status set_type(const std::string& value) {
        const auto name = ascii_lower(value);
        for (std::size_t i = 0; i < k_type_names.size(); ++i)
            if (name == k_type_names[i]) return mount_.type = static_cast<MountType>(i), Status();
        const std::vector<std::string> names(k_type_names.begin(), k_type_names.end());
        return invalid(
            fmt::format("unsupported mount type \"{}\"{}", value, suggestion(value, names, CaseRule::insensitive)));
    }

    RunMount mount_;
    bool access_is_given_ = false;
};

} // namespace

std::string_view to_string(MountType type) { return k_type_names[static_cast<std::size_t>(type)]; }

Result<RunMount> parse_run_mount(std::string_view value, const VariableLookup& lookup, char escape) {
    DBUILD_TRY_ASSIGN(const auto fields, split_mount_fields(value));
    MountReader reader;
    for (const auto& text : fields) {
        auto field = split_field(text);
        if (field.value && field.key != "from") {
            DBUILD_TRY_ASSIGN(field.value, expand_word(*field.value, lookup, escape));
        }
        DBUILD_TRY(reader.read(field.key, field.value, text));
    }
    return reader.finish();
}

Result<std::string> mount_from(std::string_view value) {
    DBUILD_TRY_ASSIGN(const auto fields, split_mount_fields(value));
    std::string from;
    for (const auto& text : fields) {
        auto field = split_field(text);
        if (field.key != "from" || !field.value) continue;
        if (const auto dollar = field.value->find('$'); dollar != field.value->npos && dollar + 1 < field.value->size())
            return invalid("'from' doesn't support variable expansion, define alias stage instead");
        from = std::move(*field.value); // the last one counts
    }
    return from;
}

std::string with_mount_from(std::string_view value, std::string_view from) {
    std::string text;
    for (const auto& field : split_mount_fields(value).value_or(std::vector<std::string>{})) {
        if (!text.empty()) text += ',';
        const auto replaced = split_field(field).key == "from" ? fmt::format("from={}", from) : field;
        const bool needs_quotes = replaced.find_first_of(",\"") != replaced.npos;
        if (needs_quotes) text += '"';
        for (const char c : replaced) text += c == '"' ? "\"\"" : std::string(1, c);
        if (needs_quotes) text += '"';
    }
    return text;
}

Result<std::vector<std::string>> split_mount_fields(std::string_view mount) {
    std::vector<std::string> fields;
    for (;;) {
        std::string field;
        if (mount.starts_with('"')) {
            std::size_t i = 1;
            for (;; ++i) {
                if (i >= mount.size()) return invalid("invalid --mount: missing \" in quoted field");
                if (mount[i] != '"') {
                    field += mount[i];
                } else if (i + 1 < mount.size() && mount[i + 1] == '"') {
                    field += mount[i++];
                } else {
                    break;
                }
            }
            mount.remove_prefix(i + 1);
            if (!mount.empty() && mount[0] != ',') return invalid("invalid --mount: extraneous \" in quoted field");
        } else {
            field = mount.substr(0, mount.find(','));
            if (field.find('"') != std::string::npos) return invalid("invalid --mount: bare \" in non-quoted field");
            mount.remove_prefix(field.size());
        }
        fields.push_back(std::move(field));
        if (mount.empty()) return fields;
        mount.remove_prefix(1);
    }
}

} // namespace dbuild::dockerfile_parser
