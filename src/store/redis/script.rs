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
            let text = format!("{head}{NOW}{}", step.text());
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

/// Can be written, and scripts run: whoever answers this is a primary that works.
const PROBE: &str = "redis.call('SET',KEYS[1],'','PX',1000) return {'ok',now}";

/// Sealed record, redeem-by time, milliseconds to redeem, milliseconds to log in, mark of the client,
/// name of the index entry, sealed reference. The redeem-by time is in the seal, so it was reckoned
/// outside, by the last known time of this server: one that breaks the promise is refused.
const PUT: &str = "
local v=redis.call('GET',KEYS[1])
if v then return {v==ARGV[1] and 'kept' or 'taken',now} end
local due=tonumber(ARGV[2])
local least=now+tonumber(ARGV[3])
if due<least or due>least+2000 then return {'clock',now} end
redis.call('SET',KEYS[1],ARGV[1],'PXAT',due+minute)
redis.call('HSET',KEYS[2],'k',ARGV[5],'p',now,'r',ARGV[2],'l',ARGV[4],
  'i',ARGV[6],'e',ARGV[7])
redis.call('PEXPIREAT',KEYS[2],due+minute)
return {'kept',now}";

/// Mark of the client, flow, caller, `once` or `many`, the record's address where the index is on
/// this server.
const START: &str = "
local s=redis.call('HMGET',KEYS[2],'k','r','l','p','s','c','x','i','u')
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
if not again then n=n+1 end
redis.call('HSET',KEYS[2],'s',n,'c',ARGV[3],'f',ARGV[2],'t',now)
local gone=now+tonumber(s[3])+minute
for i=1,3 do redis.call('PEXPIREAT',KEYS[i],gone) end
if ARGV[5]~='' and s[8]~='' then redis.call('SET','parapet:i:'..s[8],ARGV[5],'PXAT',gone) end
return {'started',now,v,s[2],s[3],s[4],s[8]}";

/// Caller, whose start may still be on its way a second time, and is then too late.
const UNDO_START: &str = "
local s=redis.call('HMGET',KEYS[2],'s','c','x','r')
if s[1]~='1' or s[2]~=ARGV[1] or s[3] then return {'none',now} end
redis.call('HDEL',KEYS[2],'s','c','f','t')
redis.call('HSET',KEYS[2],'u',ARGV[1])
for i=1,3 do redis.call('PEXPIREAT',KEYS[i],tonumber(s[4])+minute) end
return {'undone',now}";

/// Name of a continuation, or nothing.
const READ: &str = "
local s=redis.call('HMGET',KEYS[2],'r','l','t','x','y','f','s','e')
if not s[1] then return {'none',now} end
local gone=tonumber(s[1])
if s[3] then gone=s[3]+s[2] end
local v=now<gone and redis.call('GET',KEYS[1])
if not v then return {'none',now} end
local c=ARGV[1]~='' and redis.call('HGET',KEYS[3],ARGV[1])
return {'held',now,v,s[1],s[2],s[3],s[4],s[5],s[6],s[7],s[8],c}";

/// Name, sealed continuation, name of the flow's count, most of one flow.
const PUT_CONTINUATION: &str = "
local left=redis.call('PTTL',KEYS[2])
if left<0 then return {'gone',now} end
if redis.call('HEXISTS',KEYS[3],ARGV[1])==1 then return {'kept',now} end
local n=tonumber(redis.call('HGET',KEYS[3],ARGV[3]) or '0')
if n>=tonumber(ARGV[4]) then return {'many',now} end
redis.call('HSET',KEYS[3],ARGV[1],ARGV[2],ARGV[3],n+1)
redis.call('PEXPIRE',KEYS[3],left)
return {'kept',now}";

/// Flow, mark of the call, milliseconds in which the same flow may repeat it.
const SPEND: &str = "
local s=redis.call('HMGET',KEYS[2],'k','x','y','z')
if not s[1] then return {'unknown',now} end
if not s[2] then
  redis.call('HSET',KEYS[2],'x',ARGV[1],'y',now,'z',ARGV[2])
  return {'spent',now}
end
if s[2]~=ARGV[1] then return {'already',now} end
if s[4]==ARGV[2] then return {'spent',now} end
if now-tonumber(s[3])<tonumber(ARGV[3]) then return {'repeated',now} end
return {'already',now}";

/// Mark of the call, until when. Remembered for ten seconds more, as the clocks of the replicas, by
/// which the token expires, differ.
const FIRST_USE: &str = "
local v=redis.call('GET',KEYS[1])
if v then return {v==ARGV[1] and 'first' or 'seen',now} end
local until_then=tonumber(ARGV[2])
if until_then<now then until_then=now end
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
