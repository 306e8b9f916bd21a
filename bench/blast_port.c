/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/blast_port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_version.h>

enum {
    EAL_ARGS_MAX = 20,
    ARG_SIZE = 256,
    DESCRIPTORS = 1024,
    SEND_MBUFS = 2047, /* the ring, a burst and a cache; small, so that it stays in cache */
    RECEIVE_MBUFS = 2047,
    POOL_CACHE = 250,
    RECEIVE_EVERY = 256, /* bursts: what comes back is thrown away */
    PAUSES_WHEN_FULL = 8
};

#define SOCKET_ANY ((unsigned)SOCKET_ID_ANY)

static struct {
    uint16_t id, queues;
    struct rte_mempool *send_pool, *receive_pool;
} port;

const char *blast_port_version(void)
{
    return rte_version();
}

/* ---- start ---- */

static unsigned read_huge_mbytes(const char *path, unsigned page_mbytes)
{
    unsigned pages = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%u", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * page_mbytes;
}

unsigned blast_huge_free_mbytes(void)
{
    return read_huge_mbytes("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", 2) +
           read_huge_mbytes("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", 1024);
}

struct eal_args {
    char texts[EAL_ARGS_MAX][ARG_SIZE];
    char *argv[EAL_ARGS_MAX + 1];
    int argc;
};

static void add_arg(struct eal_args *args, const char *text)
{
    if (args->argc >= EAL_ARGS_MAX)
        return;
    snprintf(args->texts[args->argc], ARG_SIZE, "%s", text);
    args->argv[args->argc] = args->texts[args->argc];
    args->argc++;
}

static void make_eal_args(const struct blast_port_config *config, struct eal_args *args)
{
    char text[ARG_SIZE];
    add_arg(args, "blast");
    snprintf(text, sizeof(text), "-l%d", config->cpu);
    add_arg(args, text);
    snprintf(text, sizeof(text), "--file-prefix=blast-%d", (int)getpid());
    add_arg(args, text);
    snprintf(text, sizeof(text), "-m%u", config->memory_mbytes);
    add_arg(args, text);
    add_arg(args, "--log-level=*:warning");
    add_arg(args, "--no-telemetry");
    if (config->huge) {
        add_arg(args, "--in-memory");
        add_arg(args, "--single-file-segments");
    } else {
        add_arg(args, "--no-huge");
        add_arg(args, "--no-shconf");
    }
    if (!config->pci)
        add_arg(args, "--no-pci");
    snprintf(text, sizeof(text), "%s%s", config->pci ? "-a" : "--vdev=", config->device);
    add_arg(args, text);
}

static int start_eal(const struct blast_port_config *config, struct err *err)
{
    static struct eal_args args; /* EAL keeps pointers into it */
    if (strlen(config->device) >= ARG_SIZE - sizeof("--vdev="))
        return err_add(err, "device %s is too long", config->device);
    make_eal_args(config, &args);
    if (rte_eal_init(args.argc, args.argv) < 0)
        return err_add(err, "EAL does not start: %s", rte_strerror(rte_errno));
    if (rte_eth_dev_count_avail() == 0)
        return err_add(err, "there is no port for %s", config->device);
    port.id = (uint16_t)rte_eth_find_next(0);
    return 0;
}

static int make_pools(uint16_t frame_size_max, struct err *err)
{
    uint16_t room = (uint16_t)RTE_ALIGN_CEIL(frame_size_max + RTE_PKTMBUF_HEADROOM, 64);
    port.send_pool = rte_pktmbuf_pool_create("send", SEND_MBUFS * port.queues, POOL_CACHE, 0, room,
                                             SOCKET_ID_ANY);
    port.receive_pool = rte_pktmbuf_pool_create("receive", RECEIVE_MBUFS * port.queues, POOL_CACHE,
                                                0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (port.send_pool == NULL || port.receive_pool == NULL)
        return err_add(err, "no memory for frames: %s", rte_strerror(rte_errno));
    return 0;
}

static int start_port(struct err *err)
{
    const struct rte_eth_conf conf = {0};
    uint16_t receive_count = DESCRIPTORS, send_count = DESCRIPTORS;
    int rc = rte_eth_dev_configure(port.id, port.queues, port.queues, &conf);
    if (rc == 0)
        rc = rte_eth_dev_adjust_nb_rx_tx_desc(port.id, &receive_count, &send_count);
    for (uint16_t i = 0; i < port.queues && rc == 0; i++) {
        rc = rte_eth_rx_queue_setup(port.id, i, receive_count, SOCKET_ANY, NULL, port.receive_pool);
        if (rc == 0)
            rc = rte_eth_tx_queue_setup(port.id, i, send_count, SOCKET_ANY, NULL);
    }
    if (rc == 0)
        rc = rte_eth_dev_start(port.id);
    if (rc != 0)
        return err_add(err, "the port does not start: %s", rte_strerror(-rc));
    return 0;
}

/* EAL makes it and leaves it behind. */
static void remove_runtime_dir(void)
{
    const char *dir = rte_eal_get_runtime_dir();
    if (dir != NULL)
        rmdir(dir);
}

int blast_port_open(const struct blast_port_config *config, uint16_t frame_size_max,
                    struct err *err)
{
    int rc = start_eal(config, err);
    port.queues = (uint16_t)config->queues;
    if (rc == 0)
        rc = make_pools(frame_size_max, err);
    if (rc == 0)
        rc = start_port(err);
    if (rc != 0)
        remove_runtime_dir();
    return rc;
}

void blast_port_close(void)
{
    rte_eth_dev_stop(port.id);
    rte_eth_dev_close(port.id);
    rte_eal_cleanup();
    remove_runtime_dir();
}

/* ---- sending ---- */

struct sender {
    const struct blast_frames *frames;
    uint32_t next;                          /* frame of the cycle */
    struct rte_mbuf *held[BLAST_BURST_MAX]; /* made, not yet taken by the port */
    uint16_t held_first, held_count;
    uint16_t queue; /* that the burst is for */
    bool offered;   /* the burst, before */
    bool counts_late;
    uint64_t stall_cycles, last_progress;
};

static bool make_burst(struct sender *sender, uint16_t count)
{
    const struct blast_frames *frames = sender->frames;
    if (rte_pktmbuf_alloc_bulk(port.send_pool, sender->held, count) != 0)
        return false;
    for (uint16_t i = 0; i < count; i++) {
        struct rte_mbuf *mbuf = sender->held[i];
        uint16_t size = frames->sizes[sender->next];
        memcpy(rte_pktmbuf_mtod(mbuf, void *),
               frames->bytes + (size_t)sender->next * frames->stride, size);
        mbuf->data_len = size;
        mbuf->pkt_len = size;
        sender->next = sender->next + 1 == frames->count ? 0 : sender->next + 1;
    }
    sender->held_first = 0;
    sender->held_count = count;
    sender->offered = false;
    sender->queue = (uint16_t)(sender->queue + 1u) % port.queues;
    return true;
}

static void throw_away_received(struct blast_sent *sent)
{
    struct rte_mbuf *mbufs[BLAST_BURST_MAX];
    for (uint16_t i = 0; i < port.queues; i++) {
        uint16_t count = rte_eth_rx_burst(port.id, i, mbufs, BLAST_BURST_MAX);
        rte_pktmbuf_free_bulk(mbufs, count);
        sent->received += count;
    }
}

/* Offers what is held once. False when the port has taken nothing for too long. */
static bool offer(struct sender *sender, struct blast_sent *sent)
{
    uint16_t taken = rte_eth_tx_burst(port.id, sender->queue, &sender->held[sender->held_first],
                                      sender->held_count);
    sender->held_first = (uint16_t)(sender->held_first + taken);
    sender->held_count = (uint16_t)(sender->held_count - taken);
    sent->frames += taken;
    if (taken > 0)
        sender->last_progress = rte_rdtsc();
    if (sender->held_count == 0)
        return true;
    if (!sender->offered && sender->counts_late)
        sent->late += sender->held_count;
    sender->offered = true;
    sent->refusals++;
    for (unsigned i = 0; i < PAUSES_WHEN_FULL; i++)
        rte_pause();
    return rte_rdtsc() - sender->last_progress < sender->stall_cycles;
}

void blast_port_send(const struct blast_frames *frames, const struct blast_plan *plan,
                     const volatile sig_atomic_t *stop, struct blast_sent *sent)
{
    double hz = (double)rte_get_tsc_hz();
    uint64_t start = rte_rdtsc();
    struct sender sender = {
        .frames = frames, .stall_cycles = (uint64_t)(plan->stall_s * hz), .last_progress = start};
    memset(sent, 0, sizeof(*sent));
    for (uint64_t turn = 1; !*stop; turn++) {
        sent->elapsed_s = (double)(rte_rdtsc() - start) / hz;
        if (blast_plan_is_over(plan, sent))
            break;
        sender.counts_late = sent->elapsed_s >= plan->warm_s;
        if (sender.held_count == 0) {
            uint16_t count = blast_plan_allows(plan, sent);
            if (count == 0)
                sender.last_progress = rte_rdtsc(); /* the rate holds us back, not the port */
            if (count == 0 || !make_burst(&sender, count))
                continue;
        }
        if (!offer(&sender, sent)) {
            sent->stalled = true;
            break;
        }
        if (turn % RECEIVE_EVERY == 0)
            throw_away_received(sent);
    }
    sent->elapsed_s = (double)(rte_rdtsc() - start) / hz;
    rte_pktmbuf_free_bulk(&sender.held[sender.held_first], sender.held_count);
}
