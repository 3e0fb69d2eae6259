use super::SamplerSummary;

/// Todo.
pub fn curves_svg(_summaries: &[SamplerSummary], _title: &str) -> String {
    String::new()
}
