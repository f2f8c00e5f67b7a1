//! Microsoft's edge: where its clouds are, how we prove who we are, what its token endpoint and Graph answer.

pub mod cloud;
