// SPDX-License-Identifier: Apache-2.0
// Source: docker/buildx, util/buildflags/secrets.go; moby/buildkit, session/secrets/secretsprovider/store.go.
#include "orchestrator/run_secrets.hpp"

#include "orchestrator/command_line/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>

namespace fs = std::filesystem;

namespace dbuild::orchestrator {
namespace {

constexpr std::uintmax_t k_max_bytes = 500 << 10;

struct Secret {
    std::string id, file, variable;
};

tl::unexpected<Error> wrong(std::string_view value, std::string_view why) {
    return fail(ErrorKind::usage, fmt::format("--secret {}: {}", value, why));
}

Result<Secret> parse(std::string_view value) {
    const auto fields = parse_fields(value);
    if (!fields) return wrong(value, fields.error().message);
    Secret secret;
    std::string type;
    for (const auto& field : *fields) {
        auto name = field.name;
        std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
        if (field.is_bare) return wrong(value, fmt::format("\"{}\" is not NAME=VALUE", field.name));
        if (name == "id")
            secret.id = field.value;
        else if (name == "src" || name == "source")
            secret.file = field.value;
        else if (name == "env")
            secret.variable = field.value;
        else if (name == "type")
            type = field.value;
        else
            return wrong(value, fmt::format("there is no \"{}\" (id, src, env and type)", field.name));
    }
    if (!type.empty() && type != "file" && type != "env")
        return wrong(value, fmt::format("type is file or env, not \"{}\"", type));
    if (secret.id.empty()) return wrong(value, "it has no id");
    if (type == "env" && secret.variable.empty()) std::swap(secret.variable, secret.file);
    return secret;
}

} // namespace

Status check_secret(std::string_view value) {
    DBUILD_TRY(parse(value));
    return {};
}

Status find_secrets(const std::vector<std::string>& values) {
    for (const auto& value : values) {
        DBUILD_TRY_ASSIGN(auto secret, parse(value));
        if (!secret.variable.empty()) continue;
        if (secret.file.empty() && std::getenv(secret.id.c_str())) continue;
        if (secret.file.empty()) secret.file = secret.id;
        std::error_code error;
        const auto status = fs::status(secret.file, error);
        if (error || !fs::exists(status))
            return fail(ErrorKind::not_found, fmt::format("--secret {}: cannot find {}", value, secret.file));
        if (fs::is_regular_file(status) && fs::file_size(secret.file, error) > k_max_bytes && !error)
            return wrong(value, fmt::format("{} is larger than 500 KiB", secret.file));
    }
    return {};
}

} // namespace dbuild::orchestrator
