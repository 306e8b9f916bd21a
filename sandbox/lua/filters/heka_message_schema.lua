-- SPDX-License-Identifier: MPL-2.0
--
-- heka_message_schema - what there is: all Loggers, their Types, their EnvVersions and the fields
-- of these with their types, each with how often it occurred.
local kinds = {[0] = "string", "string", "number", "number", "bool"} -- by type of a field

schema = {} -- nodes by Logger: { count, below = nodes by name }; fields: { count, kind }

local function node(parent, name)
    local found = parent[name]
    if not found then
        found = {count = 0, below = {}}
        parent[name] = found
    end
    found.count = found.count + 1
    return found
end

function process_message()
    local logger = node(schema, read_message("Logger"))
    local type_node = node(logger.below, read_message("Type"))
    local version = node(type_node.below, read_message("EnvVersion"))
    while true do
        local kind, name = read_next_field()
        if not kind then break end
        local field = node(version.below, name)
        local text = kinds[kind] or "unknown"
        field.kind, field.first = field.first and field.first ~= kind and "mismatch"
            or field.kind or text, field.first or kind
    end
    return 0
end

local function show_fields(version)
    for name, field in pairs(version.below) do
        add_to_payload("            ", name, " (", field.kind)
        if field.count ~= version.count then
            add_to_payload(" - optional [", field.count, "]")
        end
        add_to_payload(")\n")
    end
end

local levels = {{"", "-no logger-"}, {"    ", "-no type-"}, {"         ", "-no version-"}}

local function show(nodes, level)
    local indent, no_name = unpack(levels[level])
    for name, found in pairs(nodes) do
        add_to_payload(indent, name == "" and no_name or name, " [", found.count, "]\n")
        if levels[level + 1] then
            show(found.below, level + 1)
        else
            show_fields(found)
        end
    end
end

function timer_event()
    add_to_payload("Logger -> Type -> EnvVersion -> Field Attributes.\n",
                   "The number in brackets is the number of occurrences of each ",
                   "logger/type/attribute.\n\n")
    show(schema, 1)
    inject_payload("txt", "Message Schema")
end
