"""OpenLineage events of the stages that make data: build, train and publish.

``events.py`` makes them, ``stages.py`` says what each stage reads and writes, ``delivery.py`` sends
them without failing or holding up a stage.
"""
