//! Keys and values of the tokens seen so far.

/// Per block and kv head, keys and values `[length, head_dim]` in f32, growing with the text.
pub struct KvCache {
    head_dim: usize,
    kv_heads: usize,
    /// `[block * kv_heads + head]`.
    keys: Vec<Vec<f32>>,
    /// `[block * kv_heads + head]`.
    values: Vec<Vec<f32>>,
}

impl KvCache {
    /// An empty cache.
    pub fn new(blocks: usize, kv_heads: usize, head_dim: usize) -> Self {
        KvCache {
            head_dim,
            kv_heads,
            keys: vec![Vec::new(); blocks * kv_heads],
            values: vec![Vec::new(); blocks * kv_heads],
        }
    }

    /// Appends one token's key and value to a block, each `[kv_heads, head_dim]`.
    pub fn push(&mut self, block: usize, key: &[f32], value: &[f32]) {
        let heads = block * self.kv_heads..(block + 1) * self.kv_heads;
        let rows = key
            .chunks_exact(self.head_dim)
            .zip(value.chunks_exact(self.head_dim));
        for (head, (key, value)) in heads.zip(rows) {
            self.keys[head].extend_from_slice(key);
            self.values[head].extend_from_slice(value);
        }
    }

    /// Keeps the first `tokens` tokens of every block.
    pub fn truncate(&mut self, tokens: usize) {
        for rows in self.keys.iter_mut().chain(&mut self.values) {
            rows.truncate(tokens * self.head_dim);
        }
    }

    /// Keys and values `[length, head_dim]` of one kv head.
    pub fn head(&self, block: usize, head: usize) -> (&[f32], &[f32]) {
        let i = block * self.kv_heads + head;
        (&self.keys[i], &self.values[i])
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        let floats = |v: &Vec<Vec<f32>>| v.iter().map(Vec::len).sum::<usize>();
        4 * (floats(&self.keys) + floats(&self.values))
    }
}
