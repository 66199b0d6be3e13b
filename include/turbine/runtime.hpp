// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// turbine/runtime.hpp -- the runtime's C API with C++17's manners; header only.
//
//   turbine::module m = turbine::module::load("linear.vmfb");
//   turbine::session s(m);
//   float x[4] = {1, 2, 3, 4};
//   std::vector<turbine::tensor> y = s.call("main", {turbine::view(x, {4})});
//   std::printf("%g\n", y[0].data<float>()[0]);
//
// Objects own what they stand for. Failures throw turbine::error, which has the runtime's
// code and message. What is said in runtime.h of threads and lifetimes holds here too.
#pragma once
#include <cstring>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "turbine/runtime.h"

namespace turbine {

class error : public std::runtime_error {
  public:
    error(tb_code code, const std::string &message) : std::runtime_error(message), code_(code) {}
    tb_code code() const noexcept { return code_; }

  private:
    tb_code code_;
};

// Throws what a status says and frees it; returns if it is NULL.
inline void check(tb_status st)
{
    if (!st)
        return;
    error e(tb_status_code(st), tb_status_message(st));
    tb_status_free(st);
    throw e;
}

namespace detail {
template <typename T> constexpr tb_dtype dtype_of()
{
    using U = std::remove_cv_t<T>;
    if constexpr (std::is_same_v<U, bool>)
        return TB_BOOL;
    else if constexpr (std::is_same_v<U, float>)
        return TB_F32;
    else if constexpr (std::is_same_v<U, double>)
        return TB_F64;
    else if constexpr (std::is_integral_v<U> && std::is_signed_v<U>)
        return sizeof(U) == 1 ? TB_I8 : sizeof(U) == 2 ? TB_I16 : sizeof(U) == 4 ? TB_I32 : TB_I64;
    else if constexpr (std::is_integral_v<U>)
        return sizeof(U) == 1 ? TB_U8 : sizeof(U) == 2 ? TB_U16 : sizeof(U) == 4 ? TB_U32 : TB_U64;
    else
        return TB_NONE;
}

inline void expect_rank(size_t n)
{
    if (n > TB_MAX_RANK)
        throw error(TB_INVALID_ARGUMENT, "a tensor of rank " + std::to_string(n));
}
} // namespace detail

// A dense tensor: a view of the caller's memory (turbine::view), or one that owns its data
// (results). Moves, does not copy.
class tensor {
  public:
    tensor() noexcept : t_{} {}
    explicit tensor(const tb_tensor &t) noexcept : t_(t) {} // takes over what t owns
    tensor(tensor &&o) noexcept : t_(std::exchange(o.t_, tb_tensor{})) {}
    tensor &operator=(tensor &&o) noexcept
    {
        if (this != &o) {
            tb_tensor_release(&t_);
            t_ = std::exchange(o.t_, tb_tensor{});
        }
        return *this;
    }
    tensor(const tensor &) = delete;
    tensor &operator=(const tensor &) = delete;
    ~tensor() { tb_tensor_release(&t_); }

    tb_dtype dtype() const noexcept { return t_.dtype; }
    size_t bytes() const noexcept { return t_.bytes; }
    std::vector<int64_t> dims() const { return {t_.dims, t_.dims + t_.rank}; }
    int64_t size() const noexcept // elements
    {
        int64_t n = 1;
        for (int i = 0; i < t_.rank; i++)
            n *= t_.dims[i];
        return n;
    }
    // The elements; throws if they are not of type T. Half precision: uint16_t, its bits.
    template <typename T> T *data() const
    {
        constexpr tb_dtype want = detail::dtype_of<T>();
        bool half = want == TB_U16 && (t_.dtype == TB_F16 || t_.dtype == TB_BF16);
        bool byte = want == TB_U8 && t_.dtype == TB_BOOL;
        if (t_.dtype != want && !half && !byte)
            throw error(TB_INVALID_ARGUMENT, "the tensor's elements are of another type");
        return static_cast<T *>(t_.data);
    }
    tb_tensor *get() noexcept { return &t_; }
    const tb_tensor *get() const noexcept { return &t_; }

  private:
    tb_tensor t_;
};

// Memory of the caller as a tensor; it has to hold all elements and to outlive the view.
template <typename T> tensor view(T *data, const std::vector<int64_t> &dims)
{
    static_assert(detail::dtype_of<T>() != TB_NONE, "no element type");
    detail::expect_rank(dims.size());
    tb_tensor t{};
    t.data = const_cast<std::remove_cv_t<T> *>(data);
    t.dtype = detail::dtype_of<T>();
    t.rank = static_cast<int32_t>(dims.size());
    t.bytes = sizeof(T);
    for (size_t i = 0; i < dims.size(); i++) {
        t.dims[i] = dims[i];
        t.bytes *= static_cast<size_t>(dims[i]);
    }
    return tensor(t);
}
// With a type that C++ has no name for: f16, bf16, complex numbers.
inline tensor view(void *data, tb_dtype dtype, size_t bytes, const std::vector<int64_t> &dims)
{
    detail::expect_rank(dims.size());
    tb_tensor t{};
    t.data = data;
    t.dtype = dtype;
    t.bytes = bytes;
    t.rank = static_cast<int32_t>(dims.size());
    for (size_t i = 0; i < dims.size(); i++)
        t.dims[i] = dims[i];
    return tensor(t);
}

// Counted: copies are the same object.
class device {
  public:
    explicit device(const char *uri = "local-task", int workers = 0)
    {
        tb_device *d = nullptr;
        check(tb_device_create(uri, workers, &d));
        d_.reset(d, tb_device_release);
    }
    // On threads that the program lends.
    explicit device(tb_executor run, void *user = nullptr, int workers = 0)
    {
        tb_device *d = nullptr;
        check(tb_device_create_on(run, user, workers, &d));
        d_.reset(d, tb_device_release);
    }
    std::string name() const { return tb_device_name(d_.get()); }
    int workers() const { return tb_device_workers(d_.get()); }
    void set_workers(int n) const { tb_device_set_workers(d_.get(), n); }
    tb_device *get() const noexcept { return d_.get(); }

  private:
    std::shared_ptr<tb_device> d_;
};

// Named tensors that sessions take a module's parameters from. Counted.
class params {
  public:
    params()
    {
        tb_params *p = nullptr;
        check(tb_params_create(&p));
        p_.reset(p, tb_params_release);
    }
    // Without a scope they answer for any.
    params &add_file(const std::string &path)
    {
        check(tb_params_add_file(p_.get(), nullptr, path.c_str()));
        return *this;
    }
    params &add_file(const std::string &scope, const std::string &path)
    {
        check(tb_params_add_file(p_.get(), scope.c_str(), path.c_str()));
        return *this;
    }
    // The tensor's data is borrowed for as long as the set, or a session with it, lives.
    params &add(const std::string &scope, const std::string &name, const tensor &t)
    {
        check(tb_params_add_tensor(p_.get(), scope.c_str(), name.c_str(), t.get(), nullptr,
                                   nullptr));
        return *this;
    }
    tb_params *get() const noexcept { return p_.get(); }

  private:
    std::shared_ptr<tb_params> p_;
};

// A loaded .vmfb. Counted.
class module {
  public:
    static module load(const std::string &path, int flags = 0)
    {
        tb_module *m = nullptr;
        check(tb_module_load_file(path.c_str(), flags, &m));
        return module(m);
    }
    // Borrows the bytes (64-byte aligned) unless flags have TB_LOAD_COPY.
    static module load(const void *bytes, size_t n, int flags = TB_LOAD_COPY)
    {
        tb_module *m = nullptr;
        check(tb_module_load_memory(bytes, n, flags, nullptr, nullptr, &m));
        return module(m);
    }
    std::string name() const { return tb_module_name(get()); }
    std::string target() const { return tb_module_target(get()); }
    std::vector<std::string> functions() const
    {
        std::vector<std::string> names;
        for (int i = 0; i < tb_module_function_count(get()); i++)
            names.emplace_back(tb_module_function_name(get(), i));
        return names;
    }
    int find(const std::string &function) const // throws if there is none
    {
        int fn = tb_module_find_function(get(), function.c_str());
        if (fn < 0)
            throw error(TB_NOT_FOUND, "module '" + name() + "' has no function '" + function + "'");
        return fn;
    }
    std::vector<tb_value_info> inputs(int fn) const
    {
        std::vector<tb_value_info> all(static_cast<size_t>(tb_module_input_count(get(), fn)));
        for (size_t i = 0; i < all.size(); i++)
            tb_module_input_info(get(), fn, static_cast<int>(i), &all[i]);
        return all;
    }
    std::vector<tb_value_info> results(int fn) const
    {
        std::vector<tb_value_info> all(static_cast<size_t>(tb_module_result_count(get(), fn)));
        for (size_t i = 0; i < all.size(); i++)
            tb_module_result_info(get(), fn, static_cast<int>(i), &all[i]);
        return all;
    }
    tb_module *get() const noexcept { return m_.get(); }

  private:
    explicit module(tb_module *m) : m_(m, tb_module_release) {}
    std::shared_ptr<tb_module> m_;
};

// One user's state; for one thread at a time. Moves.
class session {
  public:
    explicit session(const module &m) : session(m, tb_session_options{}) {}
    session(const module &m, const device &d) : session(m, options(d.get(), nullptr)) {}
    session(const module &m, const params &p) : session(m, options(nullptr, p.get())) {}
    session(const module &m, const device &d, const params &p)
        : session(m, options(d.get(), p.get()))
    {
    }
    session(const module &m, const tb_session_options &o) : m_(m)
    {
        tb_session *s = nullptr;
        check(tb_session_create(m.get(), &o, &s));
        s_.reset(s);
    }

    // Results in memory of the session's allocator, which they own.
    std::vector<tensor> call(int fn, const tensor *inputs, size_t n) const
    {
        std::vector<tensor> results(static_cast<size_t>(tb_module_result_count(m_.get(), fn)));
        call(fn, inputs, n, results.data(), results.size());
        return results;
    }
    std::vector<tensor> call(int fn, std::initializer_list<tensor> inputs) const
    {
        return call(fn, inputs.begin(), inputs.size());
    }
    std::vector<tensor> call(const std::string &fn, std::initializer_list<tensor> inputs) const
    {
        return call(m_.find(fn), inputs.begin(), inputs.size());
    }
    // Results where the tensors given have memory, else as above.
    void call(int fn, const tensor *inputs, size_t n, tensor *results, size_t n_results) const
    {
        static_assert(sizeof(tensor) == sizeof(tb_tensor), "a tensor is its C struct");
        check(tb_session_call(s_.get(), fn, n ? inputs->get() : nullptr, static_cast<int>(n),
                              n_results ? results->get() : nullptr, static_cast<int>(n_results)));
    }
    // A view of the session's own memory, by the name of the state.
    tensor state(const std::string &name) const
    {
        for (int i = 0; i < tb_module_global_count(m_.get()); i++) {
            tb_value_info info;
            tb_module_global_info(m_.get(), i, &info);
            if (name == info.name) {
                tb_tensor t{};
                check(tb_session_global(s_.get(), i, &t));
                return tensor(t);
            }
        }
        throw error(TB_NOT_FOUND, "module '" + m_.name() + "' has no state '" + name + "'");
    }
    // All state to a .safetensors file, and back.
    void save(const std::string &path) const { check(tb_session_save(s_.get(), path.c_str())); }
    void load(const std::string &path) const { check(tb_session_load(s_.get(), path.c_str())); }
    const module &of() const noexcept { return m_; }
    tb_session *get() const noexcept { return s_.get(); }

  private:
    static tb_session_options options(tb_device *d, tb_params *p)
    {
        tb_session_options o{};
        o.device = d;
        o.params = p;
        return o;
    }
    struct destroy {
        void operator()(tb_session *s) const { tb_session_destroy(s); }
    };
    turbine::module m_; // not at the start of a line: C++20 has a meaning for that
    std::unique_ptr<tb_session, destroy> s_;
};

} // namespace turbine
