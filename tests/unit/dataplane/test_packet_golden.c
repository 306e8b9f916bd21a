/* SPDX-License-Identifier: MPL-2.0
 *
 * test_packet_golden.c - runs each tests/golden/packet/NAME.pcap through a packet stage and
 *                        compares what comes out with NAME.expect.
 *
 * Frames with the same time stamp are one burst. NAME.expect begins with a line "config", with
 * words that change the rig's configuration, and goes on with datagrams, answers and the counters
 * that are not zero before reassemblies are ended. A TCP segment is printed, and answered with a
 * RST of fixed numbers. make.py in that folder writes both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include <pcap/pcap.h>

#include "core/check.h"
#include "tests/unit/dataplane/packet_rig.h"

#define FOLDER TEST_SOURCE_DIR "/golden/packet"
enum { CASES_MAX = 256, TEXT_SIZE = 65536, PATH_SIZE = 4096 };

static uint32_t fnv1a(const uint8_t *data, uint32_t size)
{
    uint32_t hash = 0x811C9DC5u;
    for (uint32_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * 0x01000193u;
    return hash;
}

static void print_datagram(const struct datagram *datagram, FILE *out)
{
    char host[INET6_ADDRSTRLEN];
    inet_ntop(datagram->is_ipv6 ? AF_INET6 : AF_INET, datagram->source_ip, host, sizeof(host));
    fprintf(out, "datagram listener=%u size=%u from=%s port=%u fnv=%08x\n",
            (unsigned)datagram->listener, datagram->size, host,
            (unsigned)ntohs(datagram->source_port_be), fnv1a(datagram->payload, datagram->size));
}

static void answer_segment(struct packet_rig *rig, const struct tcp_packet *segment)
{
    uint8_t header[TCP_HEADER_SIZE] = {0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x14};
    memcpy(header, &segment->flow.local_port_be, 2);
    memcpy(header + 2, &segment->flow.remote_port_be, 2);
    struct tcp_answer answer = {&segment->flow, segment->path, header, sizeof(header)};
    packet_send_segment(rig->stage, &answer);
}

static void take_segments(struct packet_rig *rig, FILE *out)
{
    const struct tcp_packet *segments;
    unsigned count = packet_segments(rig->stage, &segments);
    for (unsigned i = 0; i < count; i++) {
        const struct tcp_flow *flow = &segments[i].flow;
        char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
        int family = flow->is_ipv6 ? AF_INET6 : AF_INET;
        inet_ntop(family, flow->remote_ip, from, sizeof(from));
        inet_ntop(family, flow->local_ip, to, sizeof(to));
        fprintf(out, "segment from=%s port=%u to=%s port=%u size=%u fnv=%08x\n", from,
                (unsigned)ntohs(flow->remote_port_be), to, (unsigned)ntohs(flow->local_port_be),
                segments[i].size, fnv1a(segments[i].bytes, segments[i].size));
        answer_segment(rig, &segments[i]);
    }
    packet_send_answers(rig->stage);
}

static void print_answers(FILE *out)
{
    struct rte_mbuf *mbuf;
    while ((mbuf = rig_answer()) != NULL) {
        assert_int_equal(mbuf->nb_segs, 1);
        assert_int_equal(mbuf->data_len, mbuf->pkt_len);
        fprintf(out, "answer ");
        for (unsigned i = 0; i < mbuf->data_len; i++)
            fprintf(out, "%02x", *rte_pktmbuf_mtod_offset(mbuf, const uint8_t *, i));
        fprintf(out, "\n");
        rte_pktmbuf_free(mbuf);
    }
}

static void run_burst(struct packet_rig *rig, struct rte_mbuf **mbufs, unsigned count,
                      uint64_t now_ns, FILE *out)
{
    rig_expire(rig, now_ns);
    rig_burst(rig, mbufs, count, now_ns);
    for (unsigned i = 0; i < rig->datagram_count; i++)
        print_datagram(&rig->datagrams[i], out);
    take_segments(rig, out);
    print_answers(out);
    rig_release(rig);
}

static unsigned run_pcap(struct packet_rig *rig, const char *path, FILE *out)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap =
        pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
    struct rte_mbuf *mbufs[PACKET_BURST_MAX];
    unsigned count = 0, total = 0;
    uint64_t burst_ns = 0;
    struct pcap_pkthdr *header;
    const uint8_t *bytes;
    if (pcap == NULL)
        fail_msg("%s", error);
    while (pcap_next_ex(pcap, &header, &bytes) == 1) {
        uint64_t now_ns =
            (uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec;
        if (count == PACKET_BURST_MAX || (count > 0 && now_ns != burst_ns)) {
            run_burst(rig, mbufs, count, burst_ns, out);
            count = 0;
        }
        burst_ns = now_ns;
        mbufs[count++] = rig_mbuf(bytes, header->caplen);
        total++;
    }
    run_burst(rig, mbufs, count, burst_ns, out);
    pcap_close(pcap);
    return total;
}

static void print_counters(const struct packet_rig *rig, FILE *out)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        if (i != COUNTER_DATAGRAMS_STATSD && rig->counters.values[i] != 0)
            fprintf(out, "counter %s=%lu\n", counter_name((enum counter_id)i),
                    (unsigned long)rig->counters.values[i]);
}

/* The words of the line "config ...". */
static struct packet_config read_config(const char *expect, bool *takes_tcp)
{
    struct packet_config config = rig_config();
    char line[256], *save, *word;
    assert_int_equal(strncmp(expect, "config", 6), 0);
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(expect, "\n"), expect);
    strtok_r(line, " ", &save);
    while ((word = strtok_r(NULL, " ", &save)) != NULL) {
        if (strncmp(word, "vlan=", 5) == 0)
            config.vlan = (uint16_t)strtoul(word + 5, NULL, 10);
        else if (strncmp(word, "fragments=", 10) == 0)
            config.fragments_max = (unsigned)strtoul(word + 10, NULL, 10);
        else if (strcmp(word, "any_mac") == 0)
            config.accept_any_mac = true;
        else if (strcmp(word, "unfinished") == 0)
            config.checksum_unfinished = true;
        else if (strcmp(word, "tcp") == 0)
            *takes_tcp = true;
        else
            fail_msg("unknown word \"%s\"", word);
    }
    return config;
}

static void read_text(const char *path, char *text)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s is missing", path);
    size_t size = fread(text, 1, TEXT_SIZE - 1, file);
    assert_true(feof(file));
    text[size] = '\0';
    fclose(file);
}

/* Line by line: cmocka cuts long strings. */
static void assert_same_lines(char *found, char *expected)
{
    char *save_found, *save_expected;
    char *a = strtok_r(found, "\n", &save_found), *b = strtok_r(expected, "\n", &save_expected);
    for (; a != NULL && b != NULL && strcmp(a, b) == 0; a = strtok_r(NULL, "\n", &save_found))
        b = strtok_r(NULL, "\n", &save_expected);
    if (a != NULL || b != NULL)
        fail_msg("found \"%s\", expected \"%s\"", a != NULL ? a : "", b != NULL ? b : "");
}

static void test_case(void **state)
{
    static char expected[TEXT_SIZE], found[TEXT_SIZE];
    static struct packet_rig rig;
    const char *name = *state;
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), FOLDER "/%s.expect", name);
    read_text(path, expected);
    bool takes_tcp = false;
    rig_open(&rig, read_config(expected, &takes_tcp));
    packet_set_tcp(rig.stage, takes_tcp);
    snprintf(path, sizeof(path), FOLDER "/%s.pcap", name);
    FILE *out = fmemopen(found, sizeof(found), "w");
    assert_non_null(out);
    fprintf(out, "%.*s\n", (int)strcspn(expected, "\n"), expected);
    assert_int_not_equal(run_pcap(&rig, path, out), 0);
    print_counters(&rig, out);
    fclose(out);
    rig_close(&rig);
    assert_same_lines(found, expected);
}

static int compare_tests(const void *a, const void *b)
{
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int main(void)
{
    static struct CMUnitTest tests[CASES_MAX];
    size_t count = 0;
    DIR *folder = opendir(FOLDER);
    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *end = strstr(entry->d_name, ".pcap");
        if (end == NULL || end[5] != '\0')
            continue;
        CHECK(count < CASES_MAX);
        char *name = strndup(entry->d_name, (size_t)(end - entry->d_name));
        tests[count++] = (struct CMUnitTest){
            .name = name, .test_func = test_case, .initial_state = name};
    }
    closedir(folder);
    CHECK(count > 0);
    qsort(tests, count, sizeof(tests[0]), compare_tests);
    int failed = _cmocka_run_group_tests("packet_golden", tests, count, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        free(tests[i].initial_state);
    return failed;
}
