/* SPDX-License-Identifier: MPL-2.0
 *
 * What golden cases of core maps cannot say: that printing and parsing agree, and what holds on any
 * machine. Resolved maps and error texts are tests/golden/core_map.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/core_map.h"
#include "tests/support/chance.h"
#include "tests/unit/core/alloc_fail.h"
#include "tests/unit/core/fake_machine.h"

static const char golden_dir[] = TEST_SOURCE_DIR "/golden/core_map";
static const char profile_dir[] = TEST_SOURCE_DIR "/../nic-profiles";
static const char test_profile_dir[] = TEST_SOURCE_DIR "/golden/core_map/profiles";

static struct err err;
static struct fake_machine fake;

static struct core_map *parse_with(const char *text, const char *profiles)
{
    struct core_map *map = (struct core_map *)&err; /* must become NULL after an error */
    err = (struct err){0};
    int rc = core_map_parse(text, strlen(text), "map", profiles, &fake.machine, &map, &err);
    assert_int_equal(rc, err.count == 0 ? 0 : -1);
    assert_int_equal(map == NULL, rc != 0);
    return map;
}

static struct core_map *parse(const char *text)
{
    return parse_with(text, test_profile_dir);
}

static char *print(const struct core_map *map)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(core_map_print(map, out), 0);
    fclose(out);
    return text;
}

static char *file_text(const char *path)
{
    struct buffer text = {0};
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    for (size_t got = 1; got > 0; text.size += got) {
        assert_int_equal(buffer_reserve(&text, 4097), 0);
        got = fread(text.data + text.size, 1, 4096, file);
    }
    fclose(file);
    text.data[text.size] = '\0';
    return text.data;
}

/* ---- printing ---- */

static void assert_same_port(const struct core_map_port *a, const struct core_map_port *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->profile->name, b->profile->name);
    assert_string_equal(a->device, b->device);
    assert_int_equal(a->vlan, b->vlan);
    assert_int_equal(a->mtu, b->mtu);
    assert_int_equal(a->promiscuous, b->promiscuous);
    assert_memory_equal(&a->mac, &b->mac, sizeof(a->mac));
    assert_int_equal(a->address_count, b->address_count);
    assert_memory_equal(a->addresses, b->addresses, sizeof(a->addresses));
    assert_int_equal(a->queue_count, b->queue_count);
    assert_memory_equal(a->queues, b->queues, sizeof(a->queues));
}

static void assert_same(const struct core_map *a, const struct core_map *b)
{
    assert_string_equal(a->file_prefix, b->file_prefix);
    assert_int_equal(a->main_core, b->main_core);
    assert_int_equal(a->worker_count, b->worker_count);
    assert_memory_equal(a->workers, b->workers, sizeof(a->workers));
    assert_memory_equal(&a->hekad_cores, &b->hekad_cores, sizeof(a->hekad_cores));
    assert_memory_equal(&a->sandbox_cores, &b->sandbox_cores, sizeof(a->sandbox_cores));
    assert_int_equal(a->pages, b->pages);
    assert_int_equal(a->memory_mbytes, b->memory_mbytes);
    assert_int_equal(a->mbufs_per_port, b->mbufs_per_port);
    assert_int_equal(a->lane_mbytes, b->lane_mbytes);
    assert_int_equal(a->lane_pages, b->lane_pages);
    assert_int_equal(a->idle_sleep, b->idle_sleep);
    assert_int_equal(a->force, b->force);
    assert_int_equal(a->port_count, b->port_count);
    for (unsigned i = 0; i < a->port_count; i++)
        assert_same_port(&a->ports[i], &b->ports[i]);
}

static void assert_round_trip(const struct core_map *map, const char *profiles)
{
    char *printed = print(map);
    struct core_map *again = parse_with(printed, profiles);
    if (again == NULL)
        err_print(&err, stderr);
    assert_non_null(again);
    assert_same(map, again);
    core_map_free(again);
    free(printed);
}

static int is_in(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 3 && strcmp(entry->d_name + len - 3, ".in") == 0;
}

static void what_is_printed_gives_the_same_map(void **state)
{
    (void)state;
    struct dirent **entries;
    unsigned maps = 0;
    int count = scandir(golden_dir, &entries, is_in, alphasort);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        const char *name = entries[i]->d_name;
        snprintf(path, sizeof(path), "%s/%.*s.machine", golden_dir, (int)strcspn(name, "."), name);
        fake_machine_read(&fake, path);
        snprintf(path, sizeof(path), "%s/%s", golden_dir, name);
        char *text = file_text(path);
        struct core_map *map = parse(text);
        assert_int_equal(map == NULL, strncmp(name, "error_", 6) == 0);
        if (map != NULL)
            assert_round_trip(map, test_profile_dir);
        maps += map != NULL;
        core_map_free(map);
        free(text);
        free(entries[i]);
    }
    free(entries);
    assert_true(maps >= 10);
}

static void every_profile_makes_a_map(void **state)
{
    (void)state;
    struct nic_profiles *profiles;
    assert_int_equal(nic_profiles_load(profile_dir, &profiles, &err), 0);
    for (unsigned i = 0; i < nic_profiles_count(profiles); i++) {
        const struct nic_profile *profile = nic_profile_at(profiles, i);
        char text[256], device[512];
        snprintf(text, sizeof(text),
                 "{\"ports\": [{\"name\": \"p\", \"profile\": \"%s\", \"device\": \"%s\", \"mtu\": "
                 "%u, \"addresses\": [\"192.0.2.1/24\"]}]}",
                 profile->name, profile->bus == NIC_PCI ? "0000:3b:00.0" : "eth1",
                 profile->mtu_max);
        fake_machine_init(&fake, 8);
        struct core_map *map = parse_with(text, profile_dir);
        assert_non_null(map);
        assert_int_equal(map->ports[0].queue_count,
                         profile->queues_auto < 7 ? profile->queues_auto : 7);
        assert_int_equal(map->idle_sleep, profile->sleeps);
        assert_int_equal(map->ports[0].promiscuous, profile->promiscuous_needed);
        assert_true(
            nic_profile_device(profile, 0, map->ports[0].device, 1, device, sizeof(device)) > 0);
        assert_round_trip(map, profile_dir);
        core_map_free(map);
    }
    nic_profiles_free(profiles);
}

static void prefix_is_made_of_the_process_id(void **state)
{
    (void)state;
    fake_machine_init(&fake, 2);
    struct core_map *map = parse("{\"ports\": [{\"name\": \"p\", \"profile\": \"none\"}]}");
    assert_string_equal(map->file_prefix, "hekaline");
    core_map_free(map);
    core_map_free(NULL);
}

static void devices_with_quotes_survive_printing(void **state)
{
    (void)state;
    fake_machine_init(&fake, 2);
    struct core_map *map = parse("{\"ports\": [{\"name\": \"p\", \"profile\": \"soft1\", "
                                 "\"device\": \"/tmp/a\\\"b\\\\c\xc3\xa9\"}]}");
    assert_non_null(map);
    assert_string_equal(map->ports[0].device, "/tmp/a\"b\\c\xc3\xa9");
    assert_round_trip(map, test_profile_dir);
    core_map_free(map);
}

/* ---- use ---- */

static struct core_map_address address_of(const char *text)
{
    struct core_map_address address = {.is_ipv6 = strchr(text, ':') != NULL};
    void *ip = address.is_ipv6 ? (void *)&address.ip6 : (void *)&address.ip4;
    assert_int_equal(inet_pton(address.is_ipv6 ? AF_INET6 : AF_INET, text, ip), 1);
    return address;
}

static void addresses_of_ports_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_ours;
    } cases[] = {
        {"192.0.2.1", true},   {"192.0.2.2", false},   {"10.0.0.9", true},   {"0.0.0.0", false},
        {"2001:db8::1", true}, {"2001:db8::2", false}, {"::", false},        {"127.0.0.1", false},
        {"c000:201::", false}, {"::192.0.2.1", false}, {"1.2.0.192", false},
    };
    fake_machine_init(&fake, 4);
    struct core_map *map =
        parse("{\"ports\": [{\"name\": \"a\", \"profile\": \"none\", \"addresses\": "
              "[\"192.0.2.1/24\", \"2001:db8::1/64\"]}, {\"name\": \"b\", \"profile\": \"none\", "
              "\"addresses\": [\"10.0.0.9/8\"]}]}");
    assert_non_null(map);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct core_map_address address = address_of(cases[i].text);
        assert_int_equal(core_map_has_address(map, &address), cases[i].is_ours);
    }
    core_map_free(map);
}

static void mbufs_hold_a_whole_frame(void **state)
{
    (void)state;
    struct nic_profile profile = {.mbuf_data_bytes = 2048};
    struct core_map_port port = {.profile = &profile};
    static const unsigned cases[][2] = {{68, 2048},   {1500, 2048}, {2022, 2048},
                                        {2023, 3072}, {9000, 9216}, {64000, 64512}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        port.mtu = (uint16_t)cases[i][0];
        assert_int_equal(core_map_mbuf_data_bytes(&port), cases[i][1]);
    }
}

static void load_reads_a_file(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct core_map *map;
    fake_machine_init(&fake, 8);
    snprintf(path, sizeof(path), "%s/minimal.in", golden_dir);
    err = (struct err){0};
    assert_int_equal(core_map_load(path, test_profile_dir, &fake.machine, &map, &err), 0);
    assert_int_equal(map->port_count, 1);
    core_map_free(map);
    assert_int_equal(core_map_load("/nonexistent", test_profile_dir, &fake.machine, &map, &err),
                     -1);
    assert_string_equal(err.texts[0], "/nonexistent: cannot be opened: No such file or directory");
    assert_null(map);
    err = (struct err){0};
    assert_int_equal(core_map_load(path, "/nonexistent", &fake.machine, &map, &err), -1);
    assert_string_equal(err.texts[0],
                        "/nonexistent: NIC profiles cannot be read: No such file or directory");
    assert_null(map);
}

static void this_machine_can_be_read(void **state)
{
    (void)state;
    struct core_map_machine machine;
    struct core_map *map;
    static const char text[] = "{\"ports\": [{\"name\": \"p\", \"profile\": \"none\"}]}";
    core_map_machine_read(&machine);
    assert_true(machine.cpu_count >= (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    unsigned allowed = 0;
    for (unsigned cpu = 0; cpu < machine.cpu_count; cpu++) {
        allowed += machine.cpu_allowed(machine.arg, cpu);
        assert_true(machine.numa_of_cpu(machine.arg, cpu) >= -1);
    }
    assert_true(allowed > 0);
    assert_int_equal(machine.numa_of_device(machine.arg, "lo"), -1);
    assert_int_equal(machine.numa_of_device(machine.arg, "../../etc"), -1);
    err = (struct err){0};
    assert_int_equal(
        core_map_parse(text, sizeof(text) - 1, "map", test_profile_dir, &machine, &map, &err), 0);
    assert_true(machine.cpu_allowed(machine.arg, map->workers[0]));
    core_map_free(map);
}

/* ---- what holds on any machine ---- */

static uint64_t seed;

static unsigned random_below(unsigned limit)
{
    return chance_below(&seed, limit);
}

static void random_machine(bool has_nodes)
{
    fake_machine_init(&fake, 1 + random_below(40));
    unsigned nodes = 1 + random_below(3);
    for (unsigned cpu = 0; cpu < fake.machine.cpu_count; cpu++) {
        fake.nodes[cpu] = has_nodes ? (int)random_below(nodes) : -1;
        fake.is_denied[cpu] = random_below(4) == 0;
    }
    fake.device_count = 2;
    for (unsigned i = 0; i < 2; i++) {
        snprintf(fake.devices[i].name, sizeof(fake.devices[i].name), "d%u", i);
        fake.devices[i].node = has_nodes ? (int)random_below(nodes) : -1;
    }
    fake.machine.huge_pages_free_mbytes = random_below(512);
}

static char *random_text(bool is_forced)
{
    static const char *const profiles[] = {"nic16", "soft1", "none"};
    struct buffer text = {0};
    unsigned ports = 1 + random_below(CORE_MAP_PORTS_MAX);
    assert_int_equal(
        buffer_printf(&text, "{\"force\": %s, \"ports\": [", is_forced ? "true" : "false"), 0);
    for (unsigned i = 0; i < ports; i++) {
        unsigned profile = random_below(3);
        char device[16] = "";
        if (profile != 2)
            snprintf(device, sizeof(device), "d%u", i);
        assert_int_equal(
            buffer_printf(&text, "%s{\"name\": \"p%u\", \"profile\": \"%s\", \"device\": \"%s\"}",
                          i > 0 ? ", " : "", i, profiles[profile], device),
            0);
    }
    assert_int_equal(buffer_append(&text, "]}", 3), 0); /* with its NUL */
    return text.data;
}

static bool is_worker(const struct core_map *map, unsigned cpu)
{
    for (unsigned i = 0; i < map->worker_count; i++)
        if (map->workers[i] == cpu)
            return true;
    return false;
}

static void check_port(const struct core_map *map, const struct core_map_port *port)
{
    int node = fake.machine.numa_of_device(&fake, port->device);
    assert_true(port->queue_count >= 1);
    assert_true(port->queue_count <= port->profile->queues_auto);
    for (unsigned i = 0; i < port->queue_count; i++) {
        unsigned cpu = port->queues[i].core;
        assert_int_equal(port->queues[i].queue, i);
        assert_true(is_worker(map, cpu));
        assert_true(map->force || node < 0 || fake.nodes[cpu] < 0 || fake.nodes[cpu] == node);
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(port->queues[j].core, cpu);
    }
}

static void check_map(const struct core_map *map)
{
    unsigned usable = 0;
    for (unsigned cpu = 0; cpu < fake.machine.cpu_count; cpu++)
        usable += !fake.is_denied[cpu];
    if (usable == 0)
        usable = fake.machine.cpu_count;
    assert_true(map->worker_count >= 1 && map->worker_count <= CORE_MAP_WORKERS_MAX);
    assert_true(usable == 1 || map->worker_count <= usable - 1);
    assert_true(usable == 1 || !is_worker(map, map->main_core));
    for (unsigned i = 0; i < map->worker_count; i++) {
        assert_true(map->workers[i] < fake.machine.cpu_count);
        assert_true(i == 0 || map->workers[i] > map->workers[i - 1]);
    }
    for (unsigned i = 0; i < map->port_count; i++)
        check_port(map, &map->ports[i]);
    assert_int_equal(map->pages, fake.machine.huge_pages_free_mbytes >= map->memory_mbytes
                                     ? PAGES_HUGE
                                     : PAGES_NORMAL);
}

/* All "auto": works on every machine; only a device whose node has no CPU to spare is refused. */
static void auto_keeps_its_promises(void **state)
{
    (void)state;
    enum { ROUNDS = 400 };
    unsigned refused = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        seed = round;
        bool has_nodes = random_below(2) == 1, is_forced = random_below(4) == 0;
        random_machine(has_nodes);
        char *text = random_text(is_forced);
        struct core_map *map = parse(text);
        if (map != NULL) {
            check_map(map);
            assert_round_trip(map, test_profile_dir);
        } else {
            refused++;
            assert_true(has_nodes && !is_forced);
            assert_non_null(strstr(err.texts[0], "on NUMA node"));
        }
        core_map_free(map);
        free(text);
    }
    assert_true(refused > 0 && refused < ROUNDS / 4);
}

/* ---- documents ---- */

static void manual_holds_the_tables(void **state)
{
    (void)state;
    const struct schema *const schemas[] = {&core_map_schema, &core_map_port_schema,
                                            &core_map_queue_schema};
    char *manual = file_text(TEST_SOURCE_DIR "/../docs/formats/core_map.md");
    for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        schema_print_markdown(schemas[i], out);
        fclose(out);
        if (strstr(manual, text) == NULL)
            fail_msg("docs/formats/core_map.md must hold:\n%s", text);
        free(text);
    }
    free(manual);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char path[PATH_MAX];
    unsigned failures = 0;
    fake_machine_init(&fake, 8);
    snprintf(path, sizeof(path), "%s/all_given.in", golden_dir);
    char *text = file_text(path);
    for (bool has_failed = true; has_failed; failures++) {
        struct core_map *map = NULL;
        err = (struct err){0};
        alloc_fail_at(failures);
        int rc =
            core_map_parse(text, strlen(text), "map", test_profile_dir, &fake.machine, &map, &err);
        has_failed = alloc_fail_stop();
        assert_int_equal(rc, has_failed ? -1 : 0);
        assert_int_equal(err.count > 0, has_failed);
        core_map_free(map);
    }
    assert_true(failures > 15);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_gives_the_same_map),
        cmocka_unit_test(every_profile_makes_a_map),
        cmocka_unit_test(prefix_is_made_of_the_process_id),
        cmocka_unit_test(devices_with_quotes_survive_printing),
        cmocka_unit_test(addresses_of_ports_are_known),
        cmocka_unit_test(mbufs_hold_a_whole_frame),
        cmocka_unit_test(load_reads_a_file),
        cmocka_unit_test(this_machine_can_be_read),
        cmocka_unit_test(auto_keeps_its_promises),
        cmocka_unit_test(manual_holds_the_tables),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
