-- For wrk: POSTs that rotate over the paths of a file (one a line), each thread from a place of its own; at the end the
-- figures as one line of JSON. After `--`: the file and the number of threads. BENCH_SERVERS: host:port,... which the
-- threads share out among themselves; wrk hands over no arguments where they are shared out.
local threads = 0

function setup(thread)
  local addresses = {}
  for host, port in os.getenv("BENCH_SERVERS"):gmatch("([^:,]+):(%d+)") do
    addresses[#addresses + 1] = wrk.lookup(host, port)[1]
  end
  thread:set("first", threads)
  thread.addr = addresses[threads % #addresses + 1]
  threads = threads + 1
end

function init(args)
  requests = {}
  for path in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", path, { ["Content-Length"] = "0" })
  end
  index = math.floor(first * #requests / tonumber(args[2]))
end

function request()
  index = index % #requests + 1
  return requests[index]
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '{"requests":%d,"durationUs":%d,"notOk":%d,"connectErrors":%d,"readErrors":%d,"writeErrors":%d,"timeouts":%d,' ..
    '"p50Us":%d,"p90Us":%d,"p99Us":%d,"maxUs":%d}\n',
    summary.requests, summary.duration, failed.status, failed.connect, failed.read, failed.write, failed.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
