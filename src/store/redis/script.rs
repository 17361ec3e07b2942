//! What is done inside Redis: one script for each step that must be atomic.
//!
//! Every script reads the server's `TIME`, which alone judges expiry, and begins its reply with a
//! word and that time. Asked again with the same marks, each gives the answer that it gave before,
//! so a call whose outcome is not known is repeated. A repetition that comes late, when its caller was
//! answered and has gone on, changes nothing either, unless another caller has started the same request
//! meanwhile: then it counts as one more start. `KEYS` are the record, its state and its continuations,
//! under one hash tag.

use redis::Cmd;

/// A step and its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Probe,
    Put,
    Start,
    UndoStart,
    Read,
    PutContinuation,
    Spend,
    FirstUse,
    Point,
    Pointed,
    Owe,
}

const STEPS: [Step; 11] = [
    Step::Probe,
    Step::Put,
    Step::Start,
    Step::UndoStart,
    Step::Read,
    Step::PutContinuation,
    Step::Spend,
    Step::FirstUse,
    Step::Point,
    Step::Pointed,
    Step::Owe,
];

/// What a server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Redis 6.2.
    Six,
    /// Redis 7 and Valkey, whose scripts say whether they are run when memory is used up.
    Seven,
}

/// The scripts as one version of the server takes them.
#[derive(Debug)]
pub(super) struct Scripts(Vec<(Step, redis::Script, String)>);

impl Scripts {
    pub(super) fn new(version: Version) -> Self {
        let make = |step: Step| {
            let head = match version {
                Version::Six => "",
                Version::Seven if step.takes_room() => "#!lua\n",
                Version::Seven => "#!lua flags=allow-oom\n",
            };
            let account = if step.keeps_account() { ACCOUNT } else { "" };
            let text = format!("{head}{NOW}{account}{}", step.text());
            (step, redis::Script::new(&text), text)
        };
        Self(STEPS.into_iter().map(make).collect())
    }

    /// By the hash of the script, which a server knows once it has run it.
    pub(super) fn by_hash(&self, step: Step, keys: &[Vec<u8>], arguments: &[Vec<u8>]) -> Cmd {
        let hash = self.of(step).map_or("", |(_, script, _)| script.get_hash());
        command("EVALSHA", hash, keys, arguments)
    }

    /// With the whole script.
    pub(super) fn whole(&self, step: Step, keys: &[Vec<u8>], arguments: &[Vec<u8>]) -> Cmd {
        let text = self.of(step).map_or("", |(_, _, text)| text);
        command("EVAL", text, keys, arguments)
    }

    fn of(&self, step: Step) -> Option<&(Step, redis::Script, String)> {
        self.0.iter().find(|(of, ..)| *of == step)
    }
}

fn command(name: &str, script: &str, keys: &[Vec<u8>], arguments: &[Vec<u8>]) -> Cmd {
    let room = 64 + script.len() + keys.iter().chain(arguments).map(Vec::len).sum::<usize>();
    let mut command = Cmd::with_capacity(3 + keys.len() + arguments.len(), room);
    command.arg(name).arg(script).arg(keys.len());
    for part in keys.iter().chain(arguments) {
        command.arg(part.as_slice());
    }
    command
}

impl Step {
    /// Whether it keeps something new, which is refused when memory is used up. The others go on
    /// with what was promised.
    const fn takes_room(self) -> bool {
        matches!(self, Self::Put | Self::PutContinuation | Self::FirstUse | Self::Owe)
    }

    /// Whether it changes what a client holds.
    const fn keeps_account(self) -> bool {
        matches!(
            self,
            Self::Put
                | Self::Start
                | Self::UndoStart
                | Self::PutContinuation
                | Self::Spend
                | Self::FirstUse
        )
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Probe => PROBE,
            Self::Put => PUT,
            Self::Start => START,
            Self::UndoStart => UNDO_START,
            Self::Read => READ,
            Self::PutContinuation => PUT_CONTINUATION,
            Self::Spend => SPEND,
            Self::FirstUse => FIRST_USE,
            Self::Point => POINT,
            Self::Pointed => POINTED,
            Self::Owe => OWE,
        }
    }
}

/// Milliseconds since the epoch. The minute is how long the garbage may lie.
const NOW: &str = "local t=redis.call('TIME') \
                   local now=t[1]*1000+math.floor(t[2]/1000) local minute=60000\n";

/// The account of a client: the bytes of what it has here, in fields by the minute in which they are gone,
/// and their sum. What is over is taken off when the account is next looked at.
const ACCOUNT: &str = "
local function sum(a)
  local m=math.floor(now/minute)
  local last=tonumber(redis.call('HGET',a,'m') or m)
  if m-last>20000 then redis.call('PEXPIRE',a,0) last=m end
  local all=tonumber(redis.call('HGET',a,'T') or '0')
  for i=last,m-1 do
    local v=redis.call('HGET',a,'b'..i)
    if v then all=all-v redis.call('HDEL',a,'b'..i) end
  end
  redis.call('HSET',a,'m',m,'T',all)
  return all
end
local function charge(a,at,n)
  if not a or a=='' then return end
  local m=math.floor(at/minute)
  if m<math.floor(now/minute) then return end
  local held=tonumber(redis.call('HGET',a,'b'..m) or '0')
  local all=tonumber(redis.call('HGET',a,'T') or '0')
  if held+n<0 then n=0-held end
  redis.call('HSET',a,'b'..m,held+n,'T',all+n)
  if redis.call('PTTL',a)<at-now+2*minute then redis.call('PEXPIREAT',a,at+2*minute) end
end\n";

/// Can be written, and scripts run: whoever answers this is a primary that works.
const PROBE: &str = "redis.call('SET',KEYS[1],'','PX',1000) return {'ok',now}";

/// Sealed record, redeem-by time, milliseconds to redeem, milliseconds to log in, mark of the client,
/// name of the index entry, sealed reference, name of the client's account (empty in a cluster), its share. The redeem-by time is in the seal, so it was reckoned
/// outside, by the last known time of this server: one that breaks the promise is refused.
const PUT: &str = "
local v=redis.call('GET',KEYS[1])
if v then return {v==ARGV[1] and 'kept' or 'taken',now} end
local due=tonumber(ARGV[2])
local least=now+tonumber(ARGV[3])
if due<least or due>least+2000 then return {'clock',now} end
local cost=#ARGV[1]+#ARGV[7]+1024
if ARGV[8]~='' then
  if sum(ARGV[8])+cost>tonumber(ARGV[9]) then return {'share',now} end
  charge(ARGV[8],due+minute,cost)
end
redis.call('SET',KEYS[1],ARGV[1],'PXAT',due+minute)
redis.call('HSET',KEYS[2],'k',ARGV[5],'p',now,'r',ARGV[2],'l',ARGV[4],
  'i',ARGV[6],'e',ARGV[7],'a',ARGV[8],'w',cost)
redis.call('PEXPIREAT',KEYS[2],due+minute)
return {'kept',now}";

/// Mark of the client, flow, caller, `once` or `many`, the record's address where the index is on
/// this server. The oldest of nine logins gives way, with its continuations.
const START: &str = "
local s=redis.call('HMGET',KEYS[2],'k','r','l','p','s','c','x','i','u','g','a','w','t')
if not s[1] then return {'unknown',now} end
if s[1]~=ARGV[1] then return {'other',now} end
if s[7] then return {'spent',now} end
if s[9]==ARGV[3] then return {'taken',now} end
local n=tonumber(s[5] or '0')
local again=s[6]==ARGV[3]
if ARGV[4]=='once' and n>0 and not again then return {'taken',now} end
if now>=tonumber(s[2]) and not again then return {'expired',now} end
local v=redis.call('GET',KEYS[1])
if not v then return {'unknown',now} end
local g=s[10] or ''
local gone=now+tonumber(s[3])+minute
local w=tonumber(s[12] or '0')
charge(s[11],s[13] and s[13]+s[3]+minute or s[2]+minute,-w)
if not again then
  n=n+1
  g=g..ARGV[2]
  if #g>96 then
    local old=string.sub(g,1,12)
    g=string.sub(g,13)
    local o=redis.call('HGET',KEYS[3],'n'..old) or ''
    for i=1,#o-15,16 do
      local name='h'..old..string.sub(o,i,i+15)
      w=w-#(redis.call('HGET',KEYS[3],name) or '')
      redis.call('HDEL',KEYS[3],name)
    end
    redis.call('HDEL',KEYS[3],'n'..old)
  end
end
charge(s[11],gone,w)
redis.call('HSET',KEYS[2],'s',n,'c',ARGV[3],'f',ARGV[2],'t',now,'g',g,'w',w)
for i=1,3 do redis.call('PEXPIREAT',KEYS[i],gone) end
if ARGV[5]~='' and s[8]~='' then redis.call('SET','parapet:i:'..s[8],ARGV[5],'PXAT',gone) end
return {'started',now,v,s[2],s[3],s[4],s[8]}";

/// Caller, whose start may still be on its way a second time, and is then too late.
const UNDO_START: &str = "
local s=redis.call('HMGET',KEYS[2],'s','c','x','r','a','w','t','l')
if s[1]~='1' or s[2]~=ARGV[1] or s[3] then return {'none',now} end
local w=tonumber(s[6] or '0')
if s[7] then charge(s[5],s[7]+s[8]+minute,-w) end
charge(s[5],s[4]+minute,w)
redis.call('HDEL',KEYS[2],'s','c','f','t','g')
redis.call('HSET',KEYS[2],'u',ARGV[1])
for i=1,3 do redis.call('PEXPIREAT',KEYS[i],tonumber(s[4])+minute) end
return {'undone',now}";

/// Name of a continuation, or nothing.
const READ: &str = "
local s=redis.call('HMGET',KEYS[2],'r','l','t','x','y','f','s','e','o','g','d')
if not s[1] then return {'none',now} end
local gone=tonumber(s[1])
if s[3] then gone=s[3]+s[2] end
if now>=gone then return {'none',now} end
local v=redis.call('GET',KEYS[1])
local word='held'
if not v then v=s[11] word='tomb' end
if not v then return {'none',now} end
local c=ARGV[1]~='' and redis.call('HGET',KEYS[3],ARGV[1])
return {word,now,v,s[1],s[2],s[3],s[4],s[5],s[6],s[7],s[8],c,s[9],s[10]}";

/// Name, sealed continuation, name of the login's list, most of one login, address, login. The oldest of
/// too many gives way.
const PUT_CONTINUATION: &str = "
local left=redis.call('PTTL',KEYS[2])
if left<0 or redis.call('PTTL',KEYS[1])==-2 then return {'gone',now} end
local s=redis.call('HMGET',KEYS[2],'g','a','w','t','l')
local g=s[1] or ARGV[6]
local live=false
for i=1,#g,12 do live=live or string.sub(g,i,i+11)==ARGV[6] end
if not live then return {'gone',now} end
if redis.call('HEXISTS',KEYS[3],ARGV[1])==1 then return {'kept',now} end
local o=redis.call('HGET',KEYS[3],ARGV[3]) or ''
if #o%16~=0 then o='' end
local w=#ARGV[2]
if #o/16>=tonumber(ARGV[4]) then
  local name='h'..ARGV[6]..string.sub(o,1,16)
  w=w-#(redis.call('HGET',KEYS[3],name) or '')
  redis.call('HDEL',KEYS[3],name)
  o=string.sub(o,17)
end
redis.call('HSET',KEYS[3],ARGV[1],ARGV[2],ARGV[3],o..ARGV[5])
redis.call('PEXPIRE',KEYS[3],left)
if s[4] then charge(s[2],s[4]+s[5]+minute,w) end
redis.call('HSET',KEYS[2],'w',tonumber(s[3] or '0')+w)
return {'kept',now}";

/// Flow, mark of the call, milliseconds in which the same flow may repeat it, outcome, sealed tombstone. Record
/// and continuations are gone once no repetition is let through; the tombstone stays in the state.
const SPEND: &str = "
local s=redis.call('HMGET',KEYS[2],'k','x','y','z','o','a','w','t','l')
if not s[1] then return {'unknown',now} end
if not s[2] then
  redis.call('HSET',KEYS[2],'x',ARGV[1],'y',now,'z',ARGV[2],'o',ARGV[4],'d',ARGV[5],'w',1024)
  for i=1,3,2 do
    if redis.call('PTTL',KEYS[i])>tonumber(ARGV[3]) then redis.call('PEXPIRE',KEYS[i],ARGV[3]) end
  end
  if s[8] then charge(s[6],s[8]+s[9]+minute,1024-tonumber(s[7] or '0')) end
  return {'spent',now}
end
if s[2]~=ARGV[1] or (s[5] or ARGV[4])~=ARGV[4] then return {'already',now} end
if s[4]==ARGV[2] then return {'spent',now} end
if now-tonumber(s[3])<tonumber(ARGV[3]) then return {'repeated',now} end
return {'already',now}";

/// Mark of the call, until when and for how many milliseconds by the wall clock of the caller, name of the
/// client's account (empty in a cluster), its share. Remembered until both are over, and for ten seconds
/// more, as the clocks of the replicas, by which the token expires, differ.
const FIRST_USE: &str = "
local v=redis.call('GET',KEYS[1])
if v then return {v==ARGV[1] and 'first' or 'seen',now} end
local until_then=math.max(tonumber(ARGV[2]),now+tonumber(ARGV[3]))
if ARGV[4]~='' then
  if sum(ARGV[4])+256>tonumber(ARGV[5]) then return {'share',now} end
  charge(ARGV[4],until_then+10000,256)
end
redis.call('SET',KEYS[1],ARGV[1],'PXAT',until_then+10000)
return {'first',now}";

/// Address of the request, milliseconds to log in.
const POINT: &str = "
redis.call('SET',KEYS[1],ARGV[1],'PX',tonumber(ARGV[2])+minute)
return {'kept',now}";

const POINTED: &str = "return {'found',now,redis.call('GET',KEYS[1])}";

/// For each key: microseconds that are added to its debt, and the most that it may come to. A debt is
/// kept as the time at which it will be gone. Gives each debt in microseconds.
const OWE: &str = "
local told={'owed',now}
for i=1,#KEYS do
  local gone=tonumber(redis.call('GET',KEYS[i]) or 0)
  local most=now+tonumber(ARGV[2*i])/1000
  gone=math.min(math.max(gone,now)+tonumber(ARGV[2*i-1])/1000,most)
  if gone>now then
    redis.call('SET',KEYS[i],string.format('%.3f',gone),'PX',math.ceil(gone-now))
  end
  told[i+2]=math.floor((gone-now)*1000)
end
return told";
