// C interface of one Verilated board, loaded by sim/src/board/library.rs.
//
// `Pins` is the struct of that file, field by field.

#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include "Vtercet_ulx3s.h"
#include "verilated.h"

namespace {

struct Pins {
    bool reset, rx, tx;
};

struct Board {
    VerilatedContext context;
    std::unique_ptr<Vtercet_ulx3s> top;
    std::string message;
};

}  // namespace

// Verilator's own handlers end the process; these come back through tercet_board_step.
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

// A board as it is after configuration. Null if it cannot be made.
EXPORT Board* tercet_board_open() try {
    auto board = std::make_unique<Board>();
    // Registers and RAMs without an initial value start at random, as in a device.
    board->context.randReset(2);
    board->context.randSeed(1);
    board->top = std::make_unique<Vtercet_ulx3s>(&board->context, "tercet_ulx3s");
    board->top->clock = 0;
    return board.release();
} catch (const std::exception&) {
    return nullptr;
}

// One clock cycle: inputs settle with the clock low, the output is sampled, then the clock rises.
// Returns 0, or 1 if the model stopped itself; tercet_board_message then says why.
EXPORT int tercet_board_step(Board* board, Pins* pins) try {
    Vtercet_ulx3s& top = *board->top;
    top.clock = 0;
    top.reset = pins->reset;
    top.rx = pins->rx;
    top.eval();
    pins->tx = top.tx;
    top.clock = 1;
    top.eval();
    return 0;
} catch (const std::exception& error) {
    board->message = error.what();
    return 1;
}

// Why the last step failed. Valid until the next call.
EXPORT const char* tercet_board_message(const Board* board) { return board->message.c_str(); }

// Frees the board.
EXPORT void tercet_board_close(Board* board) {
    if (!board) return;
    board->top->final();
    delete board;
}
