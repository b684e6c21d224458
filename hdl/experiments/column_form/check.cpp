// Self-test of the experiment: random columns, a share of them zero and skipped, against scalar sums.
// SPDX-License-Identifier: MIT OR Apache-2.0
#include "Vcolumn_form.h"
#include "verilated.h"
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

static const int GROUPS = 20, LANES = 16, BITS = 22, ROWS_A_WORD = GROUPS * LANES;

static Vcolumn_form dut;
static long cycles = 0;

static void tick() {
    dut.clock = 0;
    dut.eval();
    dut.clock = 1;
    dut.eval();
    ++cycles;
}

static int32_t result_of(int lane) {
    int64_t value = 0;
    for (int b = 0; b < BITS; ++b) {
        const int at = lane * BITS + b;
        value |= int64_t(dut.result[at / 32] >> (at % 32) & 1) << b;
    }
    return int32_t(value >= 1 << (BITS - 1) ? value - (1 << BITS) : value);
}

// Returns the number of wrong sums of y = W h with W: [words * 320, columns].
static int trial(unsigned seed, int words, int columns, double zeros) {
    std::mt19937 random(seed);
    std::vector<int64_t> want(words * ROWS_A_WORD, 0);
    std::uniform_real_distribution<double> share(0, 1);
    const long start = cycles;
    int open = 0;
    for (int k = 0; k < columns; ++k) {
        if (share(random) < zeros) continue;
        // Extremes often: -128 is the value that has no int8 negative.
        const int h = random() % 4 == 0 ? -128 : int(random() % 256) - 128;
        for (int w = 0; w < words; ++w) {
            for (int i = 0; i < 10; ++i) dut.nz[i] = dut.neg[i] = 0;
            for (int lane = 0; lane < ROWS_A_WORD; ++lane) {
                // Row 0 only takes the trit that lets its sum grow.
                const int t = lane == 0 ? (h < 0 ? -1 : 1) : int(random() % 3) - 1;
                want[w * ROWS_A_WORD + lane] += t * h;
                if (t != 0) dut.nz[lane / 32] |= 1u << lane % 32;
                if (t < 0) dut.neg[lane / 32] |= 1u << lane % 32;
            }
            dut.valid = 1;
            dut.first = open == 0;
            dut.word = w;
            dut.h = uint8_t(h);
            tick();
        }
        ++open;
    }
    dut.valid = 0;
    const long streamed = cycles - start;
    tick();
    tick();
    // A group's accumulators are there three cycles after its request.
    const int pieces = words * GROUPS;
    int wrong = 0;
    for (int piece = 0; piece < pieces + 2; ++piece) {
        dut.drain = piece < pieces;
        dut.drain_word = piece / GROUPS;
        dut.drain_group = piece % GROUPS;
        tick();
        if (piece < 2) continue;
        for (int lane = 0; lane < LANES; ++lane) {
            const int row = (piece - 2) * LANES + lane;
            wrong += result_of(lane) != want[row];
        }
    }
    std::printf("W [%d, %d], %d columns open: %ld cycles of beats, %ld with drain, %d of %d sums wrong\n",
                words * ROWS_A_WORD, columns, open, streamed, cycles - start, wrong, words * ROWS_A_WORD);
    return open == 0 ? 0 : wrong;
}

int main() {
    int wrong = 0;
    for (unsigned seed = 0; seed < 3; ++seed) wrong += trial(seed, 8, 500, 0.598);
    wrong += trial(3, 2, 300, 0.0);
    wrong += trial(4, 22, 100, 0.0);
    wrong += trial(5, 8, 6912, 0.598);
    return wrong != 0;
}
