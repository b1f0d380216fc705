// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/engine_client.hpp"

#include "cache/oci/reference.hpp"
#include "support/files.hpp"

#include <boost/json.hpp>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace json = boost::json;

namespace dbuild::orchestrator {
namespace {

constexpr auto k_prefetch_lifetime = std::chrono::seconds(1);       // other builds change the engine too
constexpr auto k_remote_connect_timeout = std::chrono::seconds(30); // as docker's own program

/// The engine's own words, from {"message": "…"}; the raw body otherwise.
std::string message_of(const HttpResponse& response) {
    boost::system::error_code error;
    const auto value = json::parse(response.body, error);
    if (!error && value.is_object())
        if (const auto* message = value.get_object().if_contains("message"); message && message->is_string())
            return std::string(message->get_string());
    return response.body;
}

tl::unexpected<Error> refusal(std::string_view what, const HttpResponse& response) {
    return fail(ErrorKind::internal,
                fmt::format("engine: cannot {}: {} (status {})", what, message_of(response), response.status));
}

HttpRequest inspection_of(const std::string& name) {
    HttpRequest request;
    request.url = "/images/" + name + "/json";
    return request;
}

/// Streams of progress end with status 200 even when they fail: the error is in one of their lines.
std::optional<std::string> error_in_stream(std::string_view body) {
    while (!body.empty()) {
        const auto end = body.find('\n');
        const auto line = body.substr(0, end);
        body = end == body.npos ? std::string_view() : body.substr(end + 1);
        boost::system::error_code error;
        const auto value = json::parse(line, error);
        if (error || !value.is_object()) continue;
        if (const auto* text = value.get_object().if_contains("error"); text && text->is_string())
            return std::string(text->get_string());
    }
    return std::nullopt;
}

} // namespace

Status EngineClient::connect() {
    if (address_.command.empty() || program_) return {};
    DBUILD_TRY_ASSIGN(auto program, ProgramSocket::create(address_.command));
    address_.route.unix_socket = program.path();
    program_ = std::move(program);
    return {};
}

Result<HttpResponse> EngineClient::send(HttpRequest request, const std::function<Status(std::string_view)>& sink) {
    const std::lock_guard lock(*mutex_);
    DBUILD_TRY(connect());
    ++requests_;
    auto response = http_.send(addressed(std::move(request)), sink);
    // A program that ends before the first answer has reached nothing.
    if (!response && program_ && !was_answered_ && response.error().kind == ErrorKind::transient)
        response.error().kind = ErrorKind::unavailable;
    was_answered_ = was_answered_ || response;
    if (!response && response.error().kind == ErrorKind::unavailable)
        response.error().message =
            "cannot connect to the Docker engine at " + address_.host + ": " + response.error().message;
    return response;
}

HttpRequest EngineClient::addressed(HttpRequest request) const {
    request.route = address_.route;
    request.url = address_.base_url + request.url;
    request.headers.insert(request.headers.end(), address_.headers.begin(), address_.headers.end());
    if (address_.route.unix_socket.empty()) request.connect_timeout = k_remote_connect_timeout;
    return request;
}

void EngineClient::prefetch_image(const std::string& name) {
    if (!address_.command.empty()) return; // a second program would cost more than it saves
    ++requests_;
    std::promise<Result<HttpResponse>> promise;
    prefetched_[name] = {promise.get_future(), std::chrono::steady_clock::now()};
    auto ask = [request = addressed(inspection_of(name)), promise = std::move(promise)]() mutable {
        HttpClient http;
        promise.set_value(http.send(request));
    };
    std::thread(std::move(ask)).detach(); // nobody waits for an engine that hangs
}

Result<HttpResponse> EngineClient::inspect(const std::string& name) {
    if (auto taken = prefetched_.extract(name); taken) {
        auto& [response, asked] = taken.mapped();
        if (std::chrono::steady_clock::now() < asked + k_prefetch_lifetime &&
            response.wait_until(asked + k_prefetch_lifetime) == std::future_status::ready)
            if (auto answer = response.get()) return answer;
    }
    return send(inspection_of(name));
}

Result<std::optional<EngineImage>> EngineClient::find_image(const std::string& name) {
    DBUILD_TRY_ASSIGN(const auto response, inspect(name));
    if (response.status == 404) return std::nullopt;
    if (response.status != 200) return refusal("inspect image " + name, response);
    EngineImage image;
    DBUILD_TRY_ASSIGN(image.config, cache::oci::ImageConfig::parse_inspection(response.body));
    boost::system::error_code error;
    const auto value = json::parse(response.body, error);
    const auto* object = value.if_object();
    if (const auto* id = object ? object->if_contains("Id") : nullptr; id && id->is_string())
        image.id = id->get_string();
    if (const auto* tags = object ? object->if_contains("RepoTags") : nullptr; tags && tags->is_array())
        for (const auto& tag : tags->get_array())
            if (tag.is_string()) image.tags.emplace_back(tag.get_string());
    const auto* driver =
        object ? object->if_contains("GraphDriver") : nullptr; // with data: a graph driver, so the classic store
    const auto* data = driver && driver->is_object() ? driver->get_object().if_contains("Data") : nullptr;
    image_store_ = data && data->is_object() ? ImageStore::classic : ImageStore::containerd;
    return image;
}

Result<std::map<std::string, std::string>> EngineClient::find_image_ids(const std::vector<std::string>& references) {
    json::object wanted;
    for (const auto& reference : references) wanted[reference] = true;
    HttpRequest request;
    request.url = "/images/json?filters=" + url_encode(json::serialize(json::object{{"reference", std::move(wanted)}}));
    DBUILD_TRY_ASSIGN(const auto response, send(std::move(request)));
    if (response.status != 200) return refusal("list images", response);
    std::map<std::string, std::string> ids;
    boost::system::error_code error;
    const auto value = json::parse(response.body, error);
    if (error || !value.is_array()) return refusal("list images", response);
    for (const auto& item : value.get_array()) {
        const auto* image = item.if_object();
        const auto* id = image ? image->if_contains("Id") : nullptr;
        const auto* tags = image ? image->if_contains("RepoTags") : nullptr;
        if (!id || !id->is_string() || !tags || !tags->is_array()) continue;
        for (const auto& tag : tags->get_array())
            if (tag.is_string()) {
                std::string name(tag.get_string());
                if (std::find(references.begin(), references.end(), name) != references.end())
                    ids.emplace(std::move(name), id->get_string());
            }
    }
    return ids;
}

Result<bool> EngineClient::is_whole(const std::string& id, const std::string& reference) {
    const auto filter = reference.empty() ? json::object{{"dangling", json::object{{"true", true}}}}
                                          : json::object{{"reference", json::object{{reference, true}}}};
    HttpRequest request; // "manifests" is new in API 1.47; older engines leave such images out
    request.url = "/images/json?manifests=1&filters=" + url_encode(json::serialize(filter));
    DBUILD_TRY_ASSIGN(const auto response, send(std::move(request)));
    if (response.status != 200) return refusal("list images", response);
    boost::system::error_code error;
    const auto value = json::parse(response.body, error);
    if (error || !value.is_array()) return refusal("list images", response);
    for (const auto& item : value.get_array()) {
        const auto* image = item.if_object();
        const auto* found = image ? image->if_contains("Id") : nullptr;
        if (!found || !found->is_string() || found->get_string() != id) continue;
        const auto* manifests = image->if_contains("Manifests");
        if (!manifests || !manifests->is_array()) return true;
        const auto& all = manifests->get_array();
        return std::all_of(all.begin(), all.end(), [](const json::value& manifest) {
            const auto* object = manifest.if_object();
            const auto* available = object ? object->if_contains("Available") : nullptr;
            return available && available->is_bool() && available->get_bool();
        });
    }
    return false;
}

Status EngineClient::pull(const std::string& reference) {
    HttpRequest request;
    request.method = "POST";
    request.url = "/images/create?fromImage=" + url_encode(reference);
    DBUILD_TRY_ASSIGN(const auto response, send(std::move(request)));
    if (response.status != 200) return refusal("pull " + reference, response);
    if (const auto error = error_in_stream(response.body))
        return fail(ErrorKind::internal, "engine: cannot pull " + reference + ": " + *error);
    return {};
}

Status EngineClient::save(const std::string& id, const std::filesystem::path& archive) {
    Fd fd(::open(archive.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.is_open()) return fail(ErrorKind::unavailable, "cannot create " + archive.string());
    return save(id, [&](std::string_view bytes) { return write_all(fd.get(), bytes, archive); });
}

Status EngineClient::save(const std::string& id, const std::function<Status(std::string_view)>& sink) {
    HttpRequest request;
    request.url = "/images/" + id + "/get";
    DBUILD_TRY_ASSIGN(const auto response, send(std::move(request), sink));
    if (response.status != 200) return refusal("save image " + id, response);
    return {};
}

Status EngineClient::load(std::function<std::size_t(char*, std::size_t)> archive) {
    HttpRequest request;
    request.method = "POST";
    request.url = "/images/load?quiet=1";
    request.headers = {"Content-Type: application/x-tar"};
    request.body = std::move(archive);
    DBUILD_TRY_ASSIGN(const auto response, send(std::move(request)));
    if (response.status != 200) return refusal("load the image", response);
    if (const auto error = error_in_stream(response.body)) {
        const bool lacks_layer = error->find("not found") != error->npos || error->find("no such file") != error->npos;
        return fail(lacks_layer ? ErrorKind::not_found : ErrorKind::internal,
                    "engine: cannot load the image: " + *error);
    }
    return {};
}

Status EngineClient::remove(const std::string& name) {
    HttpRequest request;
    request.method = "DELETE";
    request.url = "/images/" + name;
    DBUILD_TRY_ASSIGN(const auto response, send(std::move(request)));
    if (response.status != 200 && response.status != 404) return refusal("remove image " + name, response);
    return {};
}

Status EngineClient::tag(const std::string& id, const std::string& reference) {
    DBUILD_TRY_ASSIGN(const auto parsed, cache::oci::ImageReference::parse(reference));
    HttpRequest request;
    request.method = "POST";
    request.url = "/images/" + id + "/tag?repo=" + url_encode(parsed.domain + "/" + parsed.path) +
                  "&tag=" + url_encode(parsed.tag);
    DBUILD_TRY_ASSIGN(const auto response, send(std::move(request)));
    if (response.status != 201) return refusal("tag the image as " + reference, response);
    return {};
}

Result<EngineUsage> EngineClient::usage() {
    HttpRequest request;
    request.url = "/system/df?type=image&type=build-cache"; // engines before API 1.42 say all they know
    DBUILD_TRY_ASSIGN(const auto response, send(std::move(request)));
    if (response.status != 200) return refusal("say what it keeps", response);
    const auto bytes_in = [](const json::object& object, std::string_view name) {
        const auto* value = object.if_contains(name);
        return value && value->is_int64() ? static_cast<std::uint64_t>(std::max<std::int64_t>(value->get_int64(), 0))
                                          : 0;
    };
    boost::system::error_code error;
    const auto value = json::parse(response.body, error);
    const auto* object = value.if_object();
    if (!object) return fail(ErrorKind::internal, "the engine's answer to /system/df is no JSON object");
    EngineUsage usage{bytes_in(*object, "LayersSize"), 0};
    if (const auto* records = object->if_contains("BuildCache"); records && records->is_array())
        for (const auto& record : records->get_array())
            if (const auto* each = record.if_object())
                if (const auto* shared = each->if_contains("Shared");
                    !shared || !shared->is_bool() || !shared->get_bool())
                    usage.build_cache_bytes += bytes_in(*each, "Size");
    return usage;
}

} // namespace dbuild::orchestrator
