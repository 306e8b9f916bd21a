/* SPDX-License-Identifier: MPL-2.0
 *
 * golden_conf.c - golden_conf KIND FOLDER [update]: each CASE.in is parsed, and the resulting tree,
 * map or error texts must be CASE.expect, byte for byte. "update" writes the .expect files instead.
 *
 * "golden_conf nic_schema FILE" compares or writes the schema of NIC profiles.
 *
 * KIND toml, json: the tree with lines. core_map: the resolved map on the machine of
 * CASE.machine (machine_read() says how), with the profiles of FOLDER/profiles. nic_profile: the
 * profile as the only one of a folder.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/check.h"
#include "tests/unit/core/conf_dump.h"
#include "tests/unit/core/fake_machine.h"

static char *folder;
static bool is_update;

static void read_file(const char *path, struct buffer *text)
{
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    for (;;) {
        CHECK(buffer_reserve(text, 4096) == 0);
        size_t got = fread(text->data + text->size, 1, 4096, file);
        text->size += got;
        if (got == 0)
            break;
    }
    fclose(file);
}

static void print_result(int rc, const struct err *err, FILE *out)
{
    CHECK((rc == 0) == (err->count == 0)); /* an error has a text, success has none */
    err_print(err, out);
}

static void run_toml(const char *name, const struct buffer *in, FILE *out)
{
    struct err err = {0};
    struct conf_doc *doc;
    int rc = toml_parse(in->data, in->size, name, conf_fake_environment, &doc, &err);
    if (rc == 0)
        conf_dump(conf_root(doc), 0, out);
    print_result(rc, &err, out);
    conf_doc_free(doc);
}

static void run_json(const char *name, const struct buffer *in, FILE *out)
{
    struct err err = {0};
    struct conf_doc *doc;
    int rc = json_parse(in->data, in->size, name, &doc, &err);
    if (rc == 0)
        conf_dump(conf_root(doc), 0, out);
    print_result(rc, &err, out);
    conf_doc_free(doc);
}

static void run_core_map(const char *name, const struct buffer *in, FILE *out)
{
    struct err err = {0};
    struct core_map *map;
    struct fake_machine fake;
    char path[PATH_MAX], profiles[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%.*s.machine", folder, (int)strcspn(name, "."), name);
    snprintf(profiles, sizeof(profiles), "%s/profiles", folder);
    fake_machine_read(&fake, path);
    int rc = core_map_parse(in->data, in->size, name, profiles, &fake.machine, &map, &err);
    if (rc == 0)
        CHECK(core_map_print(map, out) == 0);
    print_result(rc, &err, out);
    core_map_free(map);
}

/* The loader wants a folder: one is made, so that error texts are the same everywhere. */
static void run_nic_profile(const char *name, const struct buffer *in, FILE *out)
{
    char dir[] = "/tmp/heka-profile-XXXXXX", path[PATH_MAX], stem[NAME_MAX + 1];
    struct err err = {0};
    struct nic_profiles *profiles;
    CHECK(mkdtemp(dir) != NULL && chdir(dir) == 0 && mkdir("p", 0700) == 0);
    snprintf(stem, sizeof(stem), "%.*s", (int)strcspn(name, "."), name);
    snprintf(path, sizeof(path), "p/%s.json", stem);
    FILE *file = fopen(path, "we");
    CHECK(file != NULL && fwrite(in->data, 1, in->size, file) == in->size && fclose(file) == 0);
    int rc = nic_profiles_load("p", &profiles, &err);
    if (rc == 0)
        profile_dump(nic_profile_find(profiles, stem), out);
    print_result(rc, &err, out);
    nic_profiles_free(profiles);
    CHECK(unlink(path) == 0 && rmdir("p") == 0 && chdir("/") == 0 && rmdir(dir) == 0);
}

static const struct kind {
    const char *name;
    void (*run)(const char *name, const struct buffer *in, FILE *out);
} kinds[] = {
    {"toml", run_toml},
    {"json", run_json},
    {"core_map", run_core_map},
    {"nic_profile", run_nic_profile},
};

static bool compare(const char *name, const char *path, const char *got, size_t got_size)
{
    struct buffer expect = {0};
    if (is_update) {
        FILE *file = fopen(path, "we");
        CHECK(file != NULL && fwrite(got, 1, got_size, file) == got_size && fclose(file) == 0);
        return true;
    }
    read_file(path, &expect);
    bool is_same = expect.size == got_size && memcmp(expect.data, got, got_size) == 0;
    if (!is_same)
        fprintf(stderr, "%s: expected\n%.*s---- got\n%.*s----\n", name, (int)expect.size,
                expect.data, (int)got_size, got);
    buffer_fini(&expect);
    return is_same;
}

static bool run_case(const struct kind *kind, const char *name)
{
    char in_path[PATH_MAX], expect_path[PATH_MAX];
    char *got = NULL;
    size_t got_size = 0;
    struct buffer in = {0};
    snprintf(in_path, sizeof(in_path), "%s/%s", folder, name);
    snprintf(expect_path, sizeof(expect_path), "%s/%.*s.expect", folder, (int)strcspn(name, "."),
             name);
    read_file(in_path, &in);
    FILE *out = open_memstream(&got, &got_size);
    CHECK(out != NULL);
    kind->run(name, &in, out);
    CHECK(fclose(out) == 0);
    bool is_same = compare(name, expect_path, got, got_size);
    free(got);
    buffer_fini(&in);
    return is_same;
}

/* nic-profiles/schema.json is the loader's own table. */
static int run_nic_schema(const char *path)
{
    char *got = NULL;
    size_t got_size = 0;
    FILE *out = open_memstream(&got, &got_size);
    CHECK(out != NULL);
    schema_print_json(&nic_profile_schema, "NIC profile of Hekaline", out);
    CHECK(fclose(out) == 0);
    bool is_same = compare(path, path, got, got_size);
    free(got);
    return is_same ? 0 : 1;
}

static int is_case(const struct dirent *entry)
{
    const char *dot = strchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".in") == 0;
}

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    unsigned failed = 0;
    const struct kind *kind = argc >= 3 ? find_kind(argv[1]) : NULL;
    is_update = argc > 3 && strcmp(argv[3], "update") == 0;
    if (argc >= 3 && strcmp(argv[1], "nic_schema") == 0)
        return run_nic_schema(argv[2]);
    if (kind == NULL) {
        fprintf(stderr, "usage: golden_conf toml|json|core_map|nic_profile FOLDER [update]\n"
                        "       golden_conf nic_schema FILE [update]\n");
        return 2;
    }
    folder = realpath(argv[2], NULL); /* run_nic_profile() changes the working folder */
    if (folder == NULL) {
        perror(argv[2]);
        return 2;
    }
    int count = scandir(folder, &entries, is_case, alphasort);
    for (int i = 0; i < count; i++) {
        failed += !run_case(kind, entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    free(folder);
    printf("%d cases, %u failed\n", count, failed);
    return count > 0 && failed == 0 ? 0 : 1;
}
