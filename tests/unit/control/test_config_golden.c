/* SPDX-License-Identifier: MPL-2.0
 *
 * test_config_golden.c - tests/golden/hekad: a configuration in; its errors, or notes and plan out.
 *
 * A case is one hekad.toml, or, with lines "#### file NAME", a folder conf.d of several. The core
 * map is the same for all: map.json with the addresses 192.0.2.1 and 2001:db8::1.
 *
 * [option filters.use_buffering] [option filters.buffering]: a note says that they do nothing.
 * [option inputs.ticker_interval]: taken, and does nothing; a type with ticks has an own one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/config/hekad_config.h"
#include "control/plugins/instances.h"
#include "control/plan_writer.h"
#include "tests/support/golden.h"
#include "tests/support/test_dir.h"
#include "tests/unit/core/fake_machine.h"

enum { CASES_MIN = 30, CPUS = 4 };

static const char map_text[] = "{\"ports\": [{\"name\": \"p0\", \"profile\": \"null\","
                               " \"addresses\": [\"192.0.2.1/24\", \"2001:db8::1/64\"]}]}\n";

static const char *environment(const char *name)
{
    if (strcmp(name, "PORT") == 0)
        return "8125";
    return strcmp(name, "ENCODER") == 0 ? "PayloadEncoder" : NULL;
}

static void write_file(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Splits a case into the files of conf.d. False when it is one file. */
static bool write_folder(const char *text)
{
    static const char mark[] = "#### file ";
    const char *at = strstr(text, mark);
    if (at == NULL)
        return false;
    assert_int_equal(mkdir("conf.d", 0700), 0);
    while (at != NULL) {
        char path[128];
        const char *name = at + strlen(mark), *body = strchr(name, '\n') + 1;
        const char *next = strstr(body, mark);
        snprintf(path, sizeof(path), "conf.d/%.*s", (int)(body - 1 - name), name);
        write_file(path, body, next != NULL ? (size_t)(next - body) : strlen(body));
        at = next;
    }
    return true;
}

/* How the matcher words its errors is tested there (tests/golden/matcher); here: that they come,
 * with file and line. */
static int len_to_compare(const char *text)
{
    static const char cut[] = ": message_matcher";
    const char *at = strstr(text, cut);
    return at != NULL ? (int)(at - text) + (int)strlen(cut) : (int)strlen(text);
}

static void append_texts(struct buffer *out, const char *prefix, const struct err *err)
{
    for (unsigned i = 0; i < err->count && i < ERR_LIST_MAX; i++)
        buffer_printf(out, "%s%.*s\n", prefix, len_to_compare(err->texts[i]), err->texts[i]);
}

static void append_result(const char *path, struct buffer *out)
{
    struct hekad_config *config = NULL;
    struct core_map *map = NULL;
    struct instances *instances = NULL;
    struct fake_machine machine;
    static struct err err, notes;
    err.count = notes.count = 0;
    fake_machine_init(&machine, CPUS);
    int rc = hekad_config_load(path, environment, &config, &err, &notes);
    if (config->dataplane_node != NULL && config->core_map_path[0] != '\0')
        rc |= core_map_load(config->core_map_path, TEST_SOURCE_DIR "/../nic-profiles",
                            &machine.machine, &map, &err);
    rc |= instances_build(config, map, &instances, &err, &notes);
    assert_int_equal(rc != 0, err.count > 0);
    instances_free(instances);
    /* The same without anybody to tell. */
    assert_int_equal(err.count > 0,
                     instances_build(config, map, &instances, NULL, NULL) != 0 || rc != 0);
    append_texts(out, "", &err);
    if (rc == 0) {
        char *plan = plan_writer_text(instances, 1, NULL);
        assert_non_null(plan);
        append_texts(out, "note: ", &notes);
        buffer_append_text(out, plan);
        free(plan);
    }
    instances_free(instances);
    core_map_free(map);
    hekad_config_free(config);
}

static void run_case(const char *name, const struct buffer *in, struct buffer *out)
{
    char dir[] = "/tmp/hekad-golden-XXXXXX";
    (void)name;
    assert_int_equal(test_dir_make(dir), 0);
    assert_int_equal(chdir(dir), 0);
    write_file("map.json", map_text, strlen(map_text));
    if (write_folder(in->data)) {
        append_result("conf.d", out);
    } else {
        write_file("hekad.toml", in->data, in->size);
        append_result("hekad.toml", out);
    }
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(test_dir_remove(dir), 0);
}

/* With HEKA_GOLDEN_OUT=FOLDER the results are also written there, to be read and taken over. */
static void run_and_keep(const char *name, const struct buffer *in, struct buffer *out)
{
    const char *folder = getenv("HEKA_GOLDEN_OUT");
    char path[512];
    run_case(name, in, out);
    if (folder == NULL)
        return;
    snprintf(path, sizeof(path), "%s/%s.expect", folder, name);
    write_file(path, out->data, out->size);
}

static void test_golden(void **state)
{
    (void)state;
    assert_int_equal(golden_run("hekad", CASES_MIN, run_and_keep), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
