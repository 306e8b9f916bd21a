/* SPDX-License-Identifier: MPL-2.0
 *
 * input_rig.h - inputs without daemon: a configuration, hosts with lanes, and who reads those.
 *
 * Place:   tests of inputs.
 * Threads: the test's.
 */
#ifndef TESTS_UNIT_CONTROL_INPUT_RIG_H
#define TESTS_UNIT_CONTROL_INPUT_RIG_H

#include "control/plugins/input_host.h"
#include "control/lanes/producer.h"
#include "control/lanes/reader.h"
#include "control/stat_accum.h"

enum { INPUT_RIG_HOSTS_MAX = 8, INPUT_RIG_MESSAGES_MAX = 65536 };

struct rig_message {
    uint8_t *bytes;
    uint32_t size;
    bool is_signed; /* by alice */
};

struct rig_lane {
    struct producer *producer;
    struct reader *reader, *alices;
    struct rig_message *messages; /* read so far */
    unsigned count;
    bool is_closed; /* it is not read */
};

struct input_rig {
    char dir[64];
    struct hekad_config *config;
    struct instances *instances;
    struct stat_accums *accums;
    struct input_host *hosts[INPUT_RIG_HOSTS_MAX]; /* by place of the input */
    struct rig_lane lanes[INPUT_RIG_HOSTS_MAX];
    struct producer_plan *plan;
    struct bell bell;
};

/* Makes a folder, loads the configuration ({dir} is that folder), and makes and starts all inputs.
 * Fails the test when something of that does not work. */
void input_rig_init(struct input_rig *rig, const char *toml);
/* Makes no hosts. */
void input_rig_load(struct input_rig *rig, const char *toml);
/* The error of making the input at a place. */
void input_rig_refused(struct input_rig *rig, unsigned index, struct err *err);
void input_rig_start(struct input_rig *rig, unsigned index);
/* Stops all, those that end last behind the others, and frees the hosts; what the producers kept
 * stays, and the books must balance. */
void input_rig_stop(struct input_rig *rig, struct counters *ledger);
void input_rig_fini(struct input_rig *rig);

/* ---- what came out ---- */
unsigned input_rig_count(struct input_rig *rig, unsigned index);
/* Waits, at most a minute. */
void input_rig_wait_count(struct input_rig *rig, unsigned index, unsigned count);
void input_rig_wait_counter(struct input_rig *rig, unsigned index, const char *name,
                            uint64_t value);
uint64_t input_rig_counter(struct input_rig *rig, unsigned index, const char *name);
/* The i-th message; fails the test when there is none. */
struct msg_view input_rig_message(struct input_rig *rig, unsigned index, unsigned i,
                                  bool *is_signed);
/* Fails the test when its Payload is another. */
void input_rig_expect(struct input_rig *rig, unsigned index, unsigned i, const char *payload);

/* A port of 127.0.0.1 that was free just now. */
uint16_t input_rig_free_port(int socket_type);

/* The lane is not read any more, so that it fills, or is read again. */
void input_rig_close_lane(struct input_rig *rig, unsigned index, bool is_closed);

#endif
