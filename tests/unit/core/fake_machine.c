/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/core/fake_machine.h"

#include <string.h>

#include "core/check.h"

static bool cpu_allowed(void *arg, unsigned cpu)
{
    const struct fake_machine *fake = arg;
    CHECK(cpu < FAKE_CPUS_MAX);
    return !fake->is_denied[cpu];
}

static int numa_of_cpu(void *arg, unsigned cpu)
{
    const struct fake_machine *fake = arg;
    CHECK(cpu < FAKE_CPUS_MAX);
    return fake->nodes[cpu];
}

static int numa_of_device(void *arg, const char *device)
{
    const struct fake_machine *fake = arg;
    for (unsigned i = 0; i < fake->device_count; i++)
        if (strcmp(fake->devices[i].name, device) == 0)
            return fake->devices[i].node;
    return -1;
}

void fake_machine_init(struct fake_machine *fake, unsigned cpu_count)
{
    memset(fake, 0, sizeof(*fake));
    fake->machine = (struct core_map_machine){.cpu_count = cpu_count,
                                              .cpu_allowed = cpu_allowed,
                                              .numa_of_cpu = numa_of_cpu,
                                              .numa_of_device = numa_of_device,
                                              .arg = fake};
    for (unsigned cpu = 0; cpu < FAKE_CPUS_MAX; cpu++)
        fake->nodes[cpu] = -1;
}

static void read_line(struct fake_machine *fake, const char *line)
{
    unsigned from, to;
    int node;
    if (sscanf(line, "cpus %u", &fake->machine.cpu_count) == 1 ||
        sscanf(line, "huge %u", &fake->machine.huge_pages_free_mbytes) == 1)
        return;
    if (sscanf(line, "nodes %u %u %d", &from, &to, &node) == 3) {
        for (unsigned cpu = from; cpu <= to && cpu < FAKE_CPUS_MAX; cpu++)
            fake->nodes[cpu] = node;
        return;
    }
    if (sscanf(line, "deny %u %u", &from, &to) == 2) {
        for (unsigned cpu = from; cpu <= to && cpu < FAKE_CPUS_MAX; cpu++)
            fake->is_denied[cpu] = true;
        return;
    }
    CHECK(fake->device_count < FAKE_DEVICES_MAX);
    CHECK(sscanf(line, "device %63s %d", fake->devices[fake->device_count].name,
                 &fake->devices[fake->device_count].node) == 2);
    fake->device_count++;
}

void fake_machine_read(struct fake_machine *fake, const char *path)
{
    char line[128];
    fake_machine_init(fake, 8);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof(line), file) != NULL)
        read_line(fake, line);
    fclose(file);
    CHECK(fake->machine.cpu_count > 0 && fake->machine.cpu_count <= FAKE_CPUS_MAX);
}
