-- Ends a statement that made changes in several common table expressions and must not keep any of them.
-- SQL alone cannot raise; the message is the problem code that the caller answers with.
create function countersign_refuse(code text) returns boolean language plpgsql as $$
begin
  raise exception using errcode = 'CS001', message = code;
end
$$;
