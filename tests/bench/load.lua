-- Calls for wrk: each request is another device's, in an order that has no neighbours.
-- Arguments: CALL DEVICES FIRST STRIDE [TAGS]; device n is made by fill.py. With BY_SECOND in the environment
-- each second that ends is a line "SECOND <of the epoch> <accepted calls>", as soon as it has ended.

local calls = {}
local key = "Authorization: Bearer benchmark-%032d\r\n"

local heartbeat = "POST /api/v1/heartbeat HTTP/1.1\r\nHost: localhost\r\n" .. key .. "Content-Length: 0\r\n\r\n"

function calls.heartbeat(n)
    return heartbeat:format(n)
end

local report = "PATCH /api/v1/report HTTP/1.1\r\nHost: localhost\r\n" .. key
    .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
local body = '{"os_version":"Lookout OS 6.%d","release":"1f2e3d4c5b6a79880f1e2d3c4b5a6978",'
    .. '"update_status":"downloading","update_progress":%d,"ip_addresses":["192.0.2.17","2001:db8::17"],'
    .. '"metrics":{"cpu_percent":%d.5,"memory_used":412316860,"memory_total":1073741824,"temperature":51.5}}'
local said = 0

function calls.report(n)
    said = said + 1
    local what = body:format(said % 10, said % 100, said % 100)
    return report:format(n, #what, what)
end

local ended = '{"release":"1f2e3d4c5b6a79880f1e2d3c4b5a6978","update_status":"done","update_progress":null}'

function calls.end_of_update(n)
    return report:format(n, #ended, ended)
end

local poll = "GET /device/v3/%032x/state HTTP/1.1\r\nHost: localhost\r\n" .. key .. "If-None-Match: %s\r\n\r\n"
local tags, width  -- a line for each device, all of one width

function calls.poll(n)
    return poll:format(n, n, tags:sub((n - 1) * width + 1, n * width - 1))
end

local call, devices, device, stride
sent = 0

function init(arguments)
    call, devices, device, stride = calls[arguments[1]], unpack(arguments, 2, 4)
    devices, device, stride = tonumber(devices), tonumber(device), tonumber(stride)
    if arguments[5] then
        tags = io.open(arguments[5]):read("*a")
        width = tags:find("\n")
    end
    if os.getenv("BY_SECOND") then
        response = count  -- wrk passes answers only to a script that has this function
    end
end

local second, accepted = os.time(), 0

function count(status)
    local now = os.time()
    if now ~= second then
        io.write(string.format("SECOND %d %d\n", second, accepted))
        io.flush()
        second, accepted = now, 0
    end
    if status < 400 then
        accepted = accepted + 1
    end
end

function request()
    sent = sent + 1
    device = (device + stride) % devices
    return call(device + 1)
end

local threads = {}

function setup(thread)
    threads[#threads + 1] = thread
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\nRESULT {"sent":%d,"answered":%d,"microseconds":%d,"bytes":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d}\n',
        threads[1]:get("sent"), summary.requests, summary.duration, summary.bytes, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
