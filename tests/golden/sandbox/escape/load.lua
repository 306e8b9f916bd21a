-- SPDX-License-Identifier: MPL-2.0
-- try: functions that compile text or bytecode
-- expect: contained
function process_message()
    if load or loadstring or loadfile or dofile then escaped() end
    contained()
    return 0
end
