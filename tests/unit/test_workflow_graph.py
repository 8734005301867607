from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from zootwins.reporting.figures.workflow_graph import layers_of, parse_rule_graph, reduce_edges, workflow_graph

DOT = """digraph snakemake_dag {
    node[shape=box, style=rounded];
	0[label = "all", color = "0.00 0.6 0.85", style="rounded"];
	1[label = "import_zoo", color = "0.33 0.6 0.85", style="rounded"];
	2[label = "collect_metrics", color = "0.03 0.6 0.85", style="rounded"];
	1 -> 2
	2 -> 0
	1 -> 0
}"""
# edges from lower to higher numbers make no circle
graphs = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda e: e[0] < e[1]), min_size=1, unique=True
)


def ways(edges, start):
    return {start}.union(*(ways(edges, b) for a, b in edges if a == start))


def test_rule_graph_is_read_and_drawn():
    edges = parse_rule_graph(DOT)
    assert edges == [("collect_metrics", "all"), ("import_zoo", "all"), ("import_zoo", "collect_metrics")]
    assert reduce_edges(edges) == [edges[0], edges[2]]
    texts = [text.get_text() for text in workflow_graph(edges).axes[0].texts]
    assert set(texts) == {"import zoo", "collect\nmetrics", "all"}


def test_boxes_do_not_overlap_however_many_stand_in_a_row():
    methods = [f"a_rather_long_method_{number}" for number in range(12)]
    figure = workflow_graph([edge for method in methods for edge in (("import_zoo", method), (method, "all"))])
    figure.draw_without_rendering()
    boxes = [text.get_bbox_patch().get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 14
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(figure.bbox.containsx(edge) for box in boxes for edge in (box.x0, box.x1))


@given(graphs)
def test_reduction_keeps_what_can_be_reached(edges):
    reduced = reduce_edges(edges)
    for node in range(8):
        assert ways(reduced, node) == ways(edges, node)
    for edge in reduced:  # and every edge is needed
        assert ways([other for other in reduced if other != edge], edge[0]) != ways(reduced, edge[0])


def test_a_rule_that_feeds_itself_is_drawn_without_a_loop():
    """As make_table, whose tables are made of other tables."""
    assert reduce_edges([("make_table", "make_table"), ("make_table", "all")]) == [("make_table", "all")]


@given(graphs)
def test_edges_lead_downwards(edges):
    layers = layers_of(edges)
    assert all(layers[a] < layers[b] for a, b in edges)
    assert min(layers.values()) == 0
