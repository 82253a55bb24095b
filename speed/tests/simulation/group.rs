//! The consumer group: who is assigned which shard. Shards move cooperatively: one is given away only once its owner let it go.

use std::collections::{BTreeMap, BTreeSet};

use speed::worker::port::Change;

use super::chance::Chance;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberId(u64);

#[derive(Debug, Default)]
struct Member {
    owned: BTreeSet<u32>,
    /// Owned, and asked for by the group.
    leaving: BTreeSet<u32>,
    news: Vec<Change>,
}

#[derive(Debug)]
pub struct Group {
    members: BTreeMap<MemberId, Member>,
    next: u64,
    /// By shard: who shall have it.
    wanted: Vec<Option<MemberId>>,
}

impl Group {
    pub fn new(shards: u32) -> Self {
        Self { members: BTreeMap::new(), next: 1, wanted: vec![None; shards as usize] }
    }

    pub fn join(&mut self, chance: &mut Chance) -> MemberId {
        let id = MemberId(self.next);
        self.next += 1;
        self.members.insert(id, Member::default());
        self.rebalance(chance);
        id
    }

    /// Throws a member out, whether it knows it or not.
    pub fn remove(&mut self, id: MemberId, chance: &mut Chance) {
        if self.members.remove(&id).is_some() {
            self.rebalance(chance);
        }
    }

    pub fn has(&self, id: MemberId) -> bool {
        self.members.contains_key(&id)
    }

    pub fn owns(&self, id: MemberId, shard: u32) -> bool {
        self.members.get(&id).is_some_and(|member| member.owned.contains(&shard))
    }

    pub fn members(&self) -> Vec<MemberId> {
        self.members.keys().copied().collect()
    }

    /// Deals the shards out anew; those that stay are not touched.
    pub fn rebalance(&mut self, chance: &mut Chance) {
        let mut members = self.members();
        chance.shuffle(&mut members);
        for shard in 0..self.wanted.len() {
            self.wanted[shard] = members.get(shard % members.len().max(1)).copied();
            let id = u32::try_from(shard).expect("few");
            let owner = self.members.iter_mut().find(|(_, member)| member.owned.contains(&id));
            match owner {
                Some((owner, member)) => {
                    if Some(*owner) != self.wanted[shard] && member.leaving.insert(id) {
                        member.news.push(Change::Revoked(vec![id]));
                    }
                }
                None => self.assign(id),
            }
        }
    }

    /// What happened to a member since it asked last. It gives up what it is told to by hearing of it.
    pub fn news(&mut self, id: MemberId) -> Vec<Change> {
        let Some(member) = self.members.get_mut(&id) else { return Vec::new() };
        let mut news = std::mem::take(&mut member.news);
        let left = std::mem::take(&mut member.leaving);
        member.owned.retain(|shard| !left.contains(shard));
        left.into_iter().for_each(|shard| self.assign(shard));
        let member = self.members.get_mut(&id).expect("it asked");
        news.append(&mut member.news);
        news
    }

    fn assign(&mut self, shard: u32) {
        let Some(wanted) = self.wanted[shard as usize] else { return };
        let Some(member) = self.members.get_mut(&wanted) else { return };
        member.owned.insert(shard);
        member.news.push(Change::Assigned(vec![shard]));
    }
}
