// A verilated model whose ports are found by name and moved as 32-bit words.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "verilated.h"

namespace paxon {

struct Port {
    const char* name;
    bool input;
    uint32_t bits;
    void* data;

    uint32_t words() const { return (bits + 31) / 32; }
    size_t bytes() const { return bits <= 8 ? 1 : bits <= 16 ? 2 : 4 * words(); }
};

struct Model {
    virtual ~Model() = default;
    virtual std::vector<Port>& ports() = 0;
    virtual void eval() = 0;
    virtual void clock(uint64_t cycles) = 0;
};

Model* new_model(const char* name);

template <class Top>
struct ModelOf : Model {
    VerilatedContext context;
    Top top{&context};
    std::vector<Port> list;

    ~ModelOf() override { top.final(); }
    std::vector<Port>& ports() override { return list; }
    void eval() override { top.eval(); }
    void clock(uint64_t cycles) override {
        for (; cycles; --cycles) {
            top.clk_i = 1;
            top.eval();
            top.clk_i = 0;
            top.eval();
        }
    }
};

}  // namespace paxon
