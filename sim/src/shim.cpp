// C interface of one Verilated ternary_gemv, loaded by sim/src/library.rs.
//
// Compiled with TERCET_BUS_BITS = 128, 256 or 512, with TERCET_TRACE if waveforms are wanted, and with
// TERCET_COVERAGE if coverage is, which goes into the folder that the variable of this name tells.
// `Pins` is the struct of sim/src/pins.rs, field by field.

#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include "Vternary_gemv.h"
#include "verilated.h"
#ifdef TERCET_TRACE
#include "verilated_fst_c.h"
#endif
#ifdef TERCET_COVERAGE
#include <cstdlib>
#include <unistd.h>
#include "verilated_cov.h"
#endif

namespace {

// Half a clock cycle in the time unit of the waveform, which the build sets to 1 ns.
constexpr uint64_t kHalfCycleNs = 2;

constexpr int kBusWords = 16;
constexpr int kBeatWords = TERCET_BUS_BITS / 32;

struct HostLite {
    uint32_t awaddr, wdata, araddr;
    uint8_t wstrb;
    bool awvalid, wvalid, bready, arvalid, rready;
};
struct KernelLite {
    uint32_t rdata;
    uint8_t bresp, rresp;
    bool awready, wready, bvalid, arready, rvalid;
};
struct Address {
    uint64_t addr;
    uint8_t id, len, size, burst, lock, cache, prot, qos;
};
struct ReadMaster {
    Address ar;
    bool arvalid, rready;
};
struct ReadSlave {
    uint32_t rdata[kBusWords];
    uint8_t rid, rresp;
    bool arready, rvalid, rlast;
};
struct WriteData {
    uint64_t strb;
    uint32_t data[kBusWords];
    bool last;
};
struct WriteMaster {
    Address aw;
    WriteData w;
    bool awvalid, wvalid, bready;
};
struct WriteSlave {
    uint8_t bid, bresp;
    bool awready, wready, bvalid;
};
struct Inputs {
    ReadSlave weights, data_reads;
    WriteSlave data_writes;
    HostLite control;
    bool ap_rst_n;
};
struct Outputs {
    ReadMaster weights, data_reads;
    WriteMaster data_writes;
    KernelLite control;
    bool interrupt;
};
struct Pins {
    Inputs inputs;
    Outputs outputs;
};

struct Kernel {
    VerilatedContext context;
    std::unique_ptr<Vternary_gemv> top;
#ifdef TERCET_TRACE
    std::unique_ptr<VerilatedFstC> trace;
    // Times that are drawn: the first, and the first that is not.
    uint64_t draw_from = 0, draw_until = UINT64_MAX;
#endif
    std::string message;

    void dump() {
#ifdef TERCET_TRACE
        const uint64_t now = context.time();
        if (trace && now >= draw_from && now < draw_until) trace->dump(now);
#endif
        context.timeInc(kHalfCycleNs);
    }
};

// One read port: `p` is the port's signal prefix, `s` and `m` the two sides.
#define READ_INPUTS(p, s)                                       \
    std::memcpy(top.p##rdata.m_storage, (s).rdata, 4 * kBeatWords); \
    top.p##rid = (s).rid;                                       \
    top.p##rresp = (s).rresp;                                   \
    top.p##arready = (s).arready;                               \
    top.p##rvalid = (s).rvalid;                                 \
    top.p##rlast = (s).rlast

#define ADDRESS(p, a)           \
    (a).addr = top.p##addr;     \
    (a).id = top.p##id;         \
    (a).len = top.p##len;       \
    (a).size = top.p##size;     \
    (a).burst = top.p##burst;   \
    (a).lock = top.p##lock;     \
    (a).cache = top.p##cache;   \
    (a).prot = top.p##prot;     \
    (a).qos = top.p##qos

#define READ_OUTPUTS(p, m)        \
    ADDRESS(p##ar, (m).ar);       \
    (m).arvalid = top.p##arvalid; \
    (m).rready = top.p##rready

void apply(Vternary_gemv& top, const Inputs& in) {
    READ_INPUTS(m_axi_weights_, in.weights);
    READ_INPUTS(m_axi_data_, in.data_reads);
    top.m_axi_data_bid = in.data_writes.bid;
    top.m_axi_data_bresp = in.data_writes.bresp;
    top.m_axi_data_awready = in.data_writes.awready;
    top.m_axi_data_wready = in.data_writes.wready;
    top.m_axi_data_bvalid = in.data_writes.bvalid;
    top.s_axi_control_awaddr = in.control.awaddr;
    top.s_axi_control_awvalid = in.control.awvalid;
    top.s_axi_control_wdata = in.control.wdata;
    top.s_axi_control_wstrb = in.control.wstrb;
    top.s_axi_control_wvalid = in.control.wvalid;
    top.s_axi_control_bready = in.control.bready;
    top.s_axi_control_araddr = in.control.araddr;
    top.s_axi_control_arvalid = in.control.arvalid;
    top.s_axi_control_rready = in.control.rready;
    top.ap_rst_n = in.ap_rst_n;
}

void sample(const Vternary_gemv& top, Outputs& out) {
    READ_OUTPUTS(m_axi_weights_, out.weights);
    READ_OUTPUTS(m_axi_data_, out.data_reads);
    ADDRESS(m_axi_data_aw, out.data_writes.aw);
    out.data_writes.awvalid = top.m_axi_data_awvalid;
    std::memcpy(out.data_writes.w.data, top.m_axi_data_wdata.m_storage, 4 * kBeatWords);
    out.data_writes.w.strb = top.m_axi_data_wstrb;
    out.data_writes.w.last = top.m_axi_data_wlast;
    out.data_writes.wvalid = top.m_axi_data_wvalid;
    out.data_writes.bready = top.m_axi_data_bready;
    out.control.awready = top.s_axi_control_awready;
    out.control.wready = top.s_axi_control_wready;
    out.control.bvalid = top.s_axi_control_bvalid;
    out.control.bresp = top.s_axi_control_bresp;
    out.control.arready = top.s_axi_control_arready;
    out.control.rvalid = top.s_axi_control_rvalid;
    out.control.rdata = top.s_axi_control_rdata;
    out.control.rresp = top.s_axi_control_rresp;
    out.interrupt = top.__SYM__interrupt;
}

}  // namespace

// Verilator's own handlers end the process. $stop, $fatal and a model that does not settle are
// errors of the kernel under test: they come back through tercet_step.
void vl_fatal(const char* file, int line, const char*, const char* message) {
    throw std::runtime_error(std::string(file ? file : "") + ":" + std::to_string(line) + ": " + message);
}
void vl_stop(const char* file, int line, const char* hierarchy) {
    vl_fatal(file, line, hierarchy, "$stop");
}
void vl_finish(const char* file, int line, const char* hierarchy) {
    vl_fatal(file, line, hierarchy, "$finish");
}

#define EXPORT extern "C" __attribute__((visibility("default")))

// Bytes of Pins, which the caller compares with its own.
EXPORT uint64_t tercet_pins_bytes() { return sizeof(Pins); }

// A kernel before its reset. `trace` is the path of a waveform file or null; it is ignored by a
// library without TERCET_TRACE. Null if the kernel cannot be made.
EXPORT Kernel* tercet_open(const char* trace) try {
    auto kernel = std::make_unique<Kernel>();
    // Registers and RAMs without an initial value start at random, as in a device.
    kernel->context.randReset(2);
    kernel->context.randSeed(1);
    kernel->context.traceEverOn(trace != nullptr);
    kernel->top = std::make_unique<Vternary_gemv>(&kernel->context, "ternary_gemv");
    kernel->top->ap_clk = 0;
#ifdef TERCET_TRACE
    if (trace) {
        kernel->trace = std::make_unique<VerilatedFstC>();
        kernel->top->trace(kernel->trace.get(), 99);
        kernel->trace->open(trace);
        if (!kernel->trace->isOpen()) return nullptr;
    }
#endif
    return kernel.release();
} catch (const std::exception&) {
    return nullptr;
}

// One clock cycle: inputs settle with the clock low, outputs are sampled, then the clock rises.
// Returns 0, or 1 if the model stopped itself; tercet_message then says why.
EXPORT int tercet_step(Kernel* kernel, Pins* pins) try {
    Vternary_gemv& top = *kernel->top;
    top.ap_clk = 0;
    apply(top, pins->inputs);
    top.eval();
    sample(top, pins->outputs);
    kernel->dump();
    top.ap_clk = 1;
    top.eval();
    kernel->dump();
    return 0;
} catch (const std::exception& error) {
    kernel->message = error.what();
    return 1;
}

// Why the last step failed. Valid until the next call.
EXPORT const char* tercet_message(const Kernel* kernel) { return kernel->message.c_str(); }

// Draws only the cycles from `from` up to, and without, `until`, counted from the first.
EXPORT void tercet_trace_window(Kernel* kernel, uint64_t from, uint64_t until) {
#ifdef TERCET_TRACE
    const uint64_t last = UINT64_MAX / (2 * kHalfCycleNs);
    kernel->draw_from = (from < last ? from : last) * 2 * kHalfCycleNs;
    kernel->draw_until = (until < last ? until : last) * 2 * kHalfCycleNs;
#else
    (void)kernel, (void)from, (void)until;
#endif
}

// Ends the waveform, if there is one that has not been ended; the kernel goes on without.
EXPORT void tercet_end_trace(Kernel* kernel) {
#ifdef TERCET_TRACE
    if (kernel->trace) kernel->trace->close();
    kernel->trace.reset();
#else
    (void)kernel;
#endif
}

// Ends the waveform and frees the kernel.
EXPORT void tercet_close(Kernel* kernel) {
    if (!kernel) return;
    tercet_end_trace(kernel);
    kernel->top->final();
#ifdef TERCET_COVERAGE
    if (const char* folder = std::getenv("TERCET_COVERAGE")) {
        const auto place = reinterpret_cast<uintptr_t>(kernel);
        const std::string file = std::string(folder) + "/" + std::to_string(getpid()) + "-" +
                                 std::to_string(place) + "-" + std::to_string(kernel->context.time());
        kernel->context.coveragep()->write((file + ".dat").c_str());
    }
#endif
    delete kernel;
}
