// SPDX-License-Identifier: Apache-2.0
#include "cache/oci/registry_session.hpp"

#include "dockerfile_parser/unicode.hpp"
#include "support/base64.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <random>
#include <thread>

namespace json = boost::json;
using dbuild::dockerfile_parser::ascii_lower;

namespace dbuild::cache::oci {
namespace {

constexpr std::size_t k_max_token_bytes = std::size_t{1} << 20;
constexpr std::size_t k_max_quoted = 300;              // of a registry's words in a message
constexpr auto k_turn = std::chrono::milliseconds(50); // how soon a cancel is seen while waiting

bool is_loopback(std::string_view host) {
    const auto name = host.starts_with('[') ? host.substr(0, host.find(']') + 1) : host.substr(0, host.find(':'));
    return name == "localhost" || name == "[::1]" || name.starts_with("127.");
}

/// "https://host:port" of a URL.
std::string_view origin_of(std::string_view url) {
    const auto host = url.find("://");
    return host == url.npos ? std::string_view() : url.substr(0, url.find('/', host + 3));
}

/// What the registry says of an error, on one line. Source: distribution specification, "Error Codes".
std::string quoted_reason(const HttpResponse& response) {
    boost::system::error_code error;
    const auto value = json::parse(response.body, error);
    std::string text;
    if (!error && value.is_object())
        if (const auto* list = value.get_object().if_contains("errors"); list && list->is_array())
            for (const auto& item : list->get_array()) {
                if (!item.is_object()) continue;
                for (const char* member : {"code", "message"})
                    if (const auto* word = item.get_object().if_contains(member); word && word->is_string())
                        text += fmt::format("{}{}", text.empty() ? "" : ": ", std::string_view(word->get_string()));
                break;
            }
    for (auto& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    return text.substr(0, k_max_quoted);
}

/// Makes an upload that pulls from `source`; what the source fails with is left in `failure`.
std::function<std::size_t(char*, std::size_t)> make_body(std::function<Result<std::size_t>(char*, std::size_t)> source,
                                                         std::optional<Error>& failure) {
    return [source = std::move(source), &failure](char* buffer, std::size_t capacity) {
        auto count = source(buffer, capacity);
        if (count) return *count;
        failure = std::move(count).error();
        return k_broken_body;
    };
}

} // namespace

std::map<std::string, std::string> parse_challenge(std::string_view header) {
    std::map<std::string, std::string> parameters;
    const auto space = header.find(' ');
    parameters[""] = ascii_lower(header.substr(0, space));
    auto rest = space == header.npos ? std::string_view() : header.substr(space + 1);
    while (!rest.empty()) {
        const auto begin = rest.find_first_not_of(" ,\t");
        const auto equals = begin == rest.npos ? rest.npos : rest.find('=', begin);
        if (equals == rest.npos) break;
        const auto name = ascii_lower(rest.substr(begin, equals - begin));
        rest.remove_prefix(equals + 1);
        std::string value;
        if (rest.starts_with('"')) {
            std::size_t i = 1;
            for (; i < rest.size() && rest[i] != '"'; ++i) {
                if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
                value += rest[i];
            }
            rest.remove_prefix(std::min(i + 1, rest.size()));
        } else {
            const auto end = std::min(rest.find(','), rest.size());
            value = rest.substr(0, end);
            rest.remove_prefix(end);
        }
        parameters[name] = std::move(value);
    }
    return parameters;
}

RegistrySession::RegistrySession(std::string host, const RegistrySettings& settings)
    : host_(std::move(host)), settings_(settings) {}

std::vector<RegistrySession::Origin> RegistrySession::candidates() const {
    HttpRoute route;
    bool has_certificates = false;
    for (const auto& folder : settings_.certificate_folders) {
        std::error_code ignored;
        const auto own = folder / host_;
        if (!std::filesystem::is_directory(own, ignored)) continue;
        has_certificates = true;
        if (std::filesystem::exists(own / "ca.crt", ignored)) route.tls.ca = own / "ca.crt";
        if (std::filesystem::exists(own / "client.cert", ignored)) route.tls.certificate = own / "client.cert";
        if (std::filesystem::exists(own / "client.key", ignored)) route.tls.key = own / "client.key";
        break;
    }
    const Origin verified{"https://" + (host_ == "docker.io" ? "registry-1.docker.io" : host_), route};
    auto unverified = verified;
    unverified.route.tls.verifies = false;
    const Origin plain{"http://" + host_, {}};
    if (settings_.insecure_hosts.contains(host_)) return {unverified, plain};
    if (is_loopback(host_) && !has_certificates) return {plain, unverified}; // nobody else listens there
    return {verified};
}

/// A server that does not speak HTTPS, or does not speak HTTP, says so by 400 or by hanging up.
Result<RegistrySession::Origin> RegistrySession::probe(const std::vector<Origin>& candidates) {
    std::optional<Error> first_failure;
    for (const auto& candidate : candidates) {
        HttpRequest request;
        request.url = candidate.url + "/v2/";
        request.route = candidate.route;
        const auto response = transmit(std::move(request), nullptr);
        if (response && response->status != 400) return candidate;
        if (!response && response.error().kind == ErrorKind::interrupted) return fail(response.error());
        if (!response && !first_failure) first_failure = response.error();
    }
    if (first_failure) return fail(std::move(*first_failure));
    return fail(ErrorKind::unavailable, "there is no registry");
}

Result<RegistrySession::Origin> RegistrySession::origin() {
    {
        const std::scoped_lock lock(mutex_);
        if (origin_) return *origin_;
    }
    const auto possible = candidates();
    auto chosen = possible.front();
    if (possible.size() > 1) {
        DBUILD_TRY_ASSIGN(chosen, probe(possible));
    }
    const std::scoped_lock lock(mutex_);
    origin_ = chosen;
    return chosen;
}

Result<HttpResponse> RegistrySession::transmit(HttpRequest request,
                                               const std::function<Status(std::string_view)>& sink) {
    request.connect_timeout = settings_.connect_timeout;
    request.stall_timeout = settings_.stall_timeout;
    request.is_cancelled = settings_.is_cancelled;
    std::unique_ptr<HttpClient> client;
    std::chrono::steady_clock::time_point moment;
    {
        const std::scoped_lock lock(mutex_);
        moment = not_before_;
        if (!idle_.empty()) {
            client = std::move(idle_.back());
            idle_.pop_back();
        }
    }
    DBUILD_TRY(wait_until(moment));
    if (!client) client = std::make_unique<HttpClient>();
    auto response = client->send(request, sink);
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(client));
    return response;
}

Result<HttpResponse> RegistrySession::attempt(const RegistryRequest& request, const Origin& origin,
                                              const std::string& authorization,
                                              const std::function<Status(std::string_view)>& sink) {
    HttpRequest http;
    http.method = request.method;
    http.url = request.target.starts_with('/') ? origin.url + request.target : request.target;
    http.headers = request.headers;
    http.max_held_bytes = request.max_held_bytes;
    http.on_head = request.on_head;
    http.follows_redirects = request.method == "GET" || request.method == "HEAD";
    const bool is_own = origin_of(http.url) == origin.url;
    if (is_own || is_loopback(host_) || settings_.insecure_hosts.contains(host_)) http.route = origin.route;
    if (is_own && !authorization.empty()) http.headers.push_back(authorization);
    std::optional<Error> failure;
    if (request.open_body) {
        DBUILD_TRY_ASSIGN(auto source, request.open_body());
        http.body = make_body(std::move(source), failure);
        http.body_bytes = request.body_bytes;
    }
    auto response = transmit(std::move(http), sink);
    if (failure) return fail(std::move(*failure));
    return response;
}

Result<HttpResponse> RegistrySession::send(const RegistryRequest& request,
                                           const std::function<Status(std::string_view)>& sink) {
    auto scopes = request.scopes;
    std::sort(scopes.begin(), scopes.end());
    const auto described_failure = [&](Error error) { return fail(described(std::move(error), request)); };
    const auto reached = origin();
    if (!reached) return described_failure(reached.error());
    std::string authorization;
    {
        const std::scoped_lock lock(mutex_);
        if (const auto known = authorizations_.find(scopes); known != authorizations_.end())
            authorization = known->second;
    }
    auto response = attempt(request, *reached, authorization, sink);
    if (response && response->status == 401 && response->headers.contains("www-authenticate")) {
        auto granted = authorize(response->headers["www-authenticate"], *reached, request);
        if (!granted) return described_failure(std::move(granted).error());
        if (!granted->empty()) {
            {
                const std::scoped_lock lock(mutex_);
                authorizations_[scopes] = *granted;
            }
            response = attempt(request, *reached, *granted, sink);
        }
    }
    if (!response) return described_failure(std::move(response).error());
    if (response->status >= 300) return refused(request, *response);
    return response;
}

Result<Credentials> RegistrySession::credentials() {
    const std::scoped_lock lock(mutex_); // so that a helper is asked once
    if (credentials_) return *credentials_;
    DBUILD_TRY_ASSIGN(auto found, settings_.credentials.find(host_));
    for (const auto* secret : {&found.password, &found.identity_token, &found.registry_token})
        if (!secret->empty()) secrets_.insert(*secret);
    if (!found.username.empty()) secrets_.insert(base64_encode(found.username + ":" + found.password));
    credentials_ = found;
    return found;
}

/// Out: the header for another attempt; "" where nothing is known that could help.
Result<std::string> RegistrySession::authorize(const std::string& header, const Origin& origin,
                                               const RegistryRequest& request) {
    const auto challenge = parse_challenge(header);
    const auto& scheme = challenge.at("");
    DBUILD_TRY_ASSIGN(const auto user, credentials());
    if (scheme == "basic") {
        if (user.username.empty()) return std::string();
        return "Authorization: Basic " + base64_encode(user.username + ":" + user.password);
    }
    if (scheme != "bearer") return std::string();
    auto token = user.registry_token;
    if (token.empty()) {
        DBUILD_TRY_ASSIGN(token, fetch_token(challenge, origin, request.scopes));
    }
    const std::scoped_lock lock(mutex_);
    secrets_.insert(token);
    return "Authorization: Bearer " + token;
}

Result<std::string> RegistrySession::fetch_token(const std::map<std::string, std::string>& challenge,
                                                 const Origin& origin, const std::vector<std::string>& scopes) {
    const auto parameter = [&](const char* name) {
        const auto found = challenge.find(name);
        return found == challenge.end() ? std::string() : found->second;
    };
    DBUILD_TRY_ASSIGN(const auto user, credentials());
    HttpRequest request;
    request.url = parameter("realm");
    request.route = origin_of(request.url) == origin.url || is_loopback(host_) ? origin.route : HttpRoute{};
    request.max_held_bytes = k_max_token_bytes;
    const bool is_plain = request.url.starts_with("http://");
    if (!is_plain && !request.url.starts_with("https://"))
        return fail(ErrorKind::unauthorized, "the registry names no token server");
    if (is_plain && !user.is_anonymous() && origin.url.starts_with("https://"))
        return fail(ErrorKind::unauthorized, "the token server would get the credentials unencrypted");
    std::string query = "service=" + url_encode(parameter("service"));
    for (const auto& scope : scopes) query += "&scope=" + url_encode(scope);
    std::string form;
    if (!user.identity_token.empty()) {
        form =
            "grant_type=refresh_token&client_id=dbuild&" + query + "&refresh_token=" + url_encode(user.identity_token);
        request.method = "POST";
        request.headers.emplace_back("Content-Type: application/x-www-form-urlencoded");
        request.body_bytes = form.size();
        request.body = [rest = std::string_view(form)](char* buffer, std::size_t capacity) mutable {
            const auto count = rest.copy(buffer, capacity);
            rest.remove_prefix(count);
            return count;
        };
    } else {
        request.url += (request.url.find('?') == request.url.npos ? "?" : "&") + query;
        if (!user.username.empty())
            request.headers.push_back("Authorization: Basic " + base64_encode(user.username + ":" + user.password));
    }
    DBUILD_TRY_ASSIGN(const auto response, transmit(std::move(request), nullptr));
    if (response.status == 429 || response.status >= 500)
        return fail(ErrorKind::transient, fmt::format("the token server answers {}", response.status));
    if (response.status != 200)
        return fail(ErrorKind::unauthorized, fmt::format("the token server answers {}", response.status));
    boost::system::error_code error;
    const auto value = json::parse(response.body, error);
    if (!error && value.is_object())
        for (const char* member : {"token", "access_token"})
            if (const auto* token = value.get_object().if_contains(member);
                token && token->is_string() && !token->get_string().empty())
                return std::string(token->get_string());
    return fail(ErrorKind::unauthorized, "the token server gives no token");
}

tl::unexpected<Error> RegistrySession::refused(const RegistryRequest& request, const HttpResponse& response) {
    auto kind = ErrorKind::internal;
    switch (response.status) {
    case 401:
    case 403: kind = ErrorKind::unauthorized; break;
    case 404: kind = ErrorKind::not_found; break;
    case 408:
    case 429: kind = ErrorKind::transient; break;
    default:
        if (response.status >= 500) kind = ErrorKind::transient;
    }
    if (kind == ErrorKind::transient) note_retry_after(response);
    const auto reason = quoted_reason(response);
    return fail(
        described({kind, fmt::format("{}{}{}", response.status, reason.empty() ? "" : " ", reason), {}, {}}, request));
}

Error RegistrySession::described(Error error, const RegistryRequest& request) {
    const auto target = request.target.substr(0, request.target.find('?')); // signed URLs carry their rights behind it
    error.message = fmt::format("registry {}: {} {}: {}", host_, request.method, target, error.message);
    error.message = without_secrets(std::move(error.message));
    return error;
}

std::string RegistrySession::without_secrets(std::string text) {
    const std::scoped_lock lock(mutex_);
    for (const auto& secret : secrets_)
        for (auto at = text.find(secret); at != text.npos; at = text.find(secret, at))
            text.replace(at, secret.size(), "***");
    return text;
}

void RegistrySession::note_retry_after(const HttpResponse& response) {
    const auto header = response.headers.find("retry-after");
    if (header == response.headers.end()) return;
    int seconds = 0; // a date instead of a number is not read: the usual pauses do
    std::from_chars(header->second.data(), header->second.data() + header->second.size(), seconds);
    const auto asked = std::chrono::milliseconds(std::chrono::seconds(std::max(seconds, 0)));
    const std::scoped_lock lock(mutex_);
    not_before_ = std::chrono::steady_clock::now() + std::min(asked, settings_.longest_pause);
}

Status RegistrySession::pause(int attempt) {
    static thread_local std::minstd_rand random(std::random_device{}());
    const auto doubled = settings_.first_pause * (1 << std::min(attempt - 1, 10));
    const auto longest = std::min(doubled, settings_.longest_pause);
    // Half of it at least: a server that restarts is not asked five times within a moment.
    std::uniform_int_distribution<std::int64_t> choose(longest.count() / 2, longest.count());
    return wait_until(std::chrono::steady_clock::now() + std::chrono::milliseconds(choose(random)));
}

Status RegistrySession::wait_until(std::chrono::steady_clock::time_point moment) {
    while (std::chrono::steady_clock::now() < moment) {
        if (settings_.is_cancelled && settings_.is_cancelled()) return fail(ErrorKind::interrupted, "interrupted");
        std::this_thread::sleep_until(std::min(moment, std::chrono::steady_clock::now() + k_turn));
    }
    return {};
}

} // namespace dbuild::cache::oci
