-- Where a row belongs in a trace, as W3C Trace Context writes it; null where nothing is traced. It travels with what is
-- told of an incident, so that one trace goes from the ping to the message, and decides nothing.

ALTER TABLE outbox ADD COLUMN traceparent text;
ALTER TABLE notification ADD COLUMN traceparent text;
