// SPDX-License-Identifier: Apache-2.0
#include "cache/remote/wrappers.hpp"

#include <algorithm>
#include <mutex>
#include <random>
#include <semaphore>
#include <thread>

namespace fs = std::filesystem;

namespace dbuild::cache::remote {
namespace {

/// Every call goes through Derived::call(request), where request() makes the call on `inner_`.
template <class Derived>
class Wrapper : public Backend {
public:
    explicit Wrapper(std::unique_ptr<Backend> inner) : inner_(std::move(inner)) {}

    Result<std::optional<std::string>> read_pack(const Digest& name, std::uint64_t offset,
                                                 std::uint64_t count) override {
        return self().call([&] { return inner_->read_pack(name, offset, count); });
    }
    Result<std::vector<Digest>> find_packs(std::span<const Digest> names) override {
        return self().call([&] { return inner_->find_packs(names); });
    }
    Status put_pack(const Digest& name, const fs::path& file) override {
        return self().call([&] { return inner_->put_pack(name, file); });
    }
    Result<std::optional<IndexFile>> read_index(std::string_view scope, std::string_view known) override {
        return self().call([&] { return inner_->read_index(scope, known); });
    }
    Result<std::optional<std::string>> replace_index(std::string_view scope, std::string_view bytes,
                                                     std::string_view version_read) override {
        return self().call([&] { return inner_->replace_index(scope, bytes, version_read); });
    }
    Result<std::vector<ScopeEntry>> list_scopes() override {
        return self().call([&] { return inner_->list_scopes(); });
    }

protected:
    std::unique_ptr<Backend> inner_;

private:
    Derived& self() { return static_cast<Derived&>(*this); }
};

class Counting final : public Wrapper<Counting> {
public:
    Counting(std::unique_ptr<Backend> inner, TrafficCounters& counters)
        : Wrapper(std::move(inner)), counters_(counters) {}

    template <class Request>
    auto call(const Request& request) {
        ++counters_.requests;
        return request();
    }
    Result<std::optional<std::string>> read_pack(const Digest& name, std::uint64_t offset,
                                                 std::uint64_t count) override {
        auto bytes = Wrapper::read_pack(name, offset, count);
        if (bytes && *bytes) counters_.bytes_read += (*bytes)->size();
        return bytes;
    }
    Status put_pack(const Digest& name, const fs::path& file) override {
        auto done = Wrapper::put_pack(name, file);
        std::error_code error;
        const auto size = fs::file_size(file, error);
        if (done && !error) counters_.bytes_written += size;
        return done;
    }
    Result<std::optional<IndexFile>> read_index(std::string_view scope, std::string_view known) override {
        auto index = Wrapper::read_index(scope, known);
        if (index && *index) counters_.bytes_read += (*index)->bytes.size();
        return index;
    }
    Result<std::optional<std::string>> replace_index(std::string_view scope, std::string_view bytes,
                                                     std::string_view version_read) override {
        auto done = Wrapper::replace_index(scope, bytes, version_read);
        if (done && *done) counters_.bytes_written += bytes.size();
        return done;
    }

private:
    TrafficCounters& counters_;
};

class Retrying final : public Wrapper<Retrying> {
public:
    Retrying(std::unique_ptr<Backend> inner, RetryPolicy policy)
        : Wrapper(std::move(inner)), policy_(std::move(policy)) {}

    template <class Request>
    auto call(const Request& request) {
        auto pause = policy_.first_pause;
        for (int attempt = 1;; ++attempt) {
            auto result = request();
            if (result || result.error().kind != ErrorKind::transient || attempt >= policy_.attempts) return result;
            wait(pause);
            pause *= 2;
        }
    }

private:
    void wait(std::chrono::milliseconds limit) {
        std::chrono::milliseconds pause;
        {
            const std::lock_guard lock(mutex_);
            pause = std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(0, limit.count())(random_));
        }
        if (policy_.sleep)
            policy_.sleep(pause);
        else
            std::this_thread::sleep_for(pause);
    }

    RetryPolicy policy_;
    std::mutex mutex_;
    std::mt19937_64 random_{std::random_device{}()};
};

class Breaking final : public Wrapper<Breaking> {
public:
    Breaking(std::unique_ptr<Backend> inner, int failures) : Wrapper(std::move(inner)), limit_(failures) {}

    template <class Request>
    auto call(const Request& request) -> decltype(request()) {
        if (failures_ >= limit_) return fail(ErrorKind::unavailable, "the remote failed too often and is not used");
        auto result = request();
        if (result)
            failures_ = 0;
        else if (is_failure(result.error().kind))
            ++failures_;
        return result;
    }

private:
    static bool is_failure(ErrorKind kind) {
        return kind != ErrorKind::interrupted && kind != ErrorKind::no_space && kind != ErrorKind::unsupported;
    }
    const int limit_;
    std::atomic<int> failures_ = 0;
};

class Limited final : public Wrapper<Limited> {
public:
    Limited(std::unique_ptr<Backend> inner, int calls) : Wrapper(std::move(inner)), free_(calls) {}

    template <class Request>
    auto call(const Request& request) {
        const Slot slot(free_);
        return request();
    }

private:
    using Semaphore = std::counting_semaphore<>;
    class Slot {
    public:
        explicit Slot(Semaphore& free) : free_(free) { free_.acquire(); }
        ~Slot() { free_.release(); }
        Slot(const Slot&) = delete;
        Slot& operator=(const Slot&) = delete;

    private:
        Semaphore& free_;
    };

    Semaphore free_;
};

class Budgeted final : public Wrapper<Budgeted> {
public:
    Budgeted(std::unique_ptr<Backend> inner, std::uint64_t requests) : Wrapper(std::move(inner)), limit_(requests) {}

    template <class Request>
    auto call(const Request& request) -> decltype(request()) {
        if (made_++ >= limit_)
            return fail(ErrorKind::unavailable,
                        "all " + std::to_string(limit_) + " requests of this build are used up");
        return request();
    }

private:
    const std::uint64_t limit_;
    std::atomic<std::uint64_t> made_ = 0;
};

class Redacting final : public Wrapper<Redacting> {
public:
    Redacting(std::unique_ptr<Backend> inner, std::vector<std::string> secrets)
        : Wrapper(std::move(inner)), secrets_(std::move(secrets)) {
        std::erase(secrets_, "");
    }

    template <class Request>
    auto call(const Request& request) {
        auto result = request();
        if (!result) {
            redact(result.error().message);
            for (auto& line : result.error().context) redact(line);
        }
        return result;
    }

private:
    void redact(std::string& text) const {
        for (const auto& secret : secrets_)
            for (auto at = text.find(secret); at != text.npos; at = text.find(secret, at + k_stars.size()))
                text.replace(at, secret.size(), k_stars);
        for (auto at = text.find("://"); at != text.npos; at = text.find("://", at + 1)) {
            const auto begin = at + 3, end = std::min(text.find_first_of("/ \t\n", begin), text.size());
            const auto sign = text.substr(begin, end - begin).rfind('@');
            if (sign != text.npos) text.replace(begin, sign, k_stars);
        }
    }

    static constexpr std::string_view k_stars = "***";
    std::vector<std::string> secrets_;
};

} // namespace

std::unique_ptr<Backend> make_counting(std::unique_ptr<Backend> inner, TrafficCounters& counters) {
    return std::make_unique<Counting>(std::move(inner), counters);
}

std::unique_ptr<Backend> make_retrying(std::unique_ptr<Backend> inner, RetryPolicy policy) {
    return std::make_unique<Retrying>(std::move(inner), std::move(policy));
}

std::unique_ptr<Backend> make_breaking(std::unique_ptr<Backend> inner, int failures) {
    return std::make_unique<Breaking>(std::move(inner), failures);
}

std::unique_ptr<Backend> make_limited(std::unique_ptr<Backend> inner, int calls) {
    return std::make_unique<Limited>(std::move(inner), calls);
}

std::unique_ptr<Backend> make_budgeted(std::unique_ptr<Backend> inner, std::uint64_t requests) {
    return std::make_unique<Budgeted>(std::move(inner), requests);
}

std::unique_ptr<Backend> make_redacting(std::unique_ptr<Backend> inner, std::vector<std::string> secrets) {
    return std::make_unique<Redacting>(std::move(inner), std::move(secrets));
}

} // namespace dbuild::cache::remote
