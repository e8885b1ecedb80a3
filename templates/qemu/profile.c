/*
 * A plugin of QEMU that counts what one function executes, with everything that it calls:
 *
 *     -plugin ./profile.so,entry=ADDRESS,out=FILE
 *
 * It writes a line "START LAST EXECUTED NEXT2 NEXT4" for each straight run of instructions: the
 * addresses of the first and the last one, how often it was executed, and how often execution went on
 * 2 and 4 bytes behind the last one's address. How long that is the disassembly says: QEMU 7.2 counts
 * bytes that it only looked at. The first line is "calls N". The interface is QEMU's plugin API, whose
 * few functions are declared here.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef API_VERSION
#define API_VERSION 1
#endif

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id,
                                           void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *),
                                          int flags, void *data);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = API_VERSION;

/* Instructions that are executed one after another; QEMU may translate the same ones repeatedly. */
struct run {
    struct run *older;
    uint64_t start, last, executed, next2, next4;
};

static struct run *newest;
static struct run *previous;
static uint64_t entry, call, calls;
static int inside;
static char *out;

/* The function is over where control comes back behind the instruction that called it. */
static void on_run(unsigned cpu, void *data)
{
    struct run *const r = data;
    (void)cpu;
    if (inside) {
        previous->next2 += r->start == previous->last + 2;
        previous->next4 += r->start == previous->last + 4;
        inside = r->start != call + 2 && r->start != call + 4;
    } else if (r->start == entry && previous) {
        inside = 1;
        call = previous->last;
        ++calls;
    }
    r->executed += (uint64_t)inside;
    previous = r;
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *block)
{
    const size_t count = qemu_plugin_tb_n_insns(block);
    struct run *const r = calloc(1, sizeof *r);
    (void)id;
    if (!r || count == 0) {
        fprintf(stderr, "cannot profile: %s\n", r ? "an empty block" : "no memory");
        exit(1);
    }
    r->start = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, 0));
    r->last = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, count - 1));
    r->older = newest;
    newest = r;
    qemu_plugin_register_vcpu_tb_exec_cb(block, on_run, 0, r);
}

static void at_exit(plugin_id id, void *data)
{
    FILE *const file = fopen(out, "w");
    (void)id;
    (void)data;
    if (!file) {
        return;
    }
    fprintf(file, "calls %" PRIu64 "\n", calls);
    for (const struct run *r = newest; r; r = r->older) {
        if (r->executed > 0) {
            fprintf(file, "%" PRIx64 " %" PRIx64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", r->start,
                    r->last, r->executed, r->next2, r->next4);
        }
    }
    fclose(file);
}

EXPORTED int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);
EXPORTED int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; ++i) {
        if (strncmp(argv[i], "entry=", 6) == 0) {
            entry = strtoull(argv[i] + 6, NULL, 0);
        } else if (strncmp(argv[i], "out=", 4) == 0) {
            out = strdup(argv[i] + 4);
        }
    }
    if (entry == 0 || !out) {
        fprintf(stderr, "cannot profile: entry and out are needed\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
