//! Takes prompts apart into what is quoted of files and what is not. Tests of other packages include this file.

/// What stands between fences of backticks, and all other lines that are not empty. A fence ends with a line of as many backticks.
pub fn take_apart(prompt: &str) -> (Vec<String>, Vec<&str>) {
    let (mut quoted, mut others) = (Vec::new(), Vec::new());
    let mut lines = prompt.split('\n');
    while let Some(line) = lines.next() {
        let is_fence = line.len() >= 3 && line.bytes().all(|byte| byte == b'`');
        if is_fence {
            quoted.push(lines.by_ref().take_while(|other| *other != line).collect::<Vec<_>>().join("\n"));
        } else if !line.is_empty() {
            others.push(line);
        }
    }
    (quoted, others)
}
