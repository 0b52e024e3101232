"""What is kept of scikit-learn's fit answers as scikit-learn does."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from penchant.errors import DataError
from training.data.histories import Dataset
from training.data.interest_labels import cut_points, find_interests, known
from training.data.split import split_by_time
from training.families.pca_svm import Config, Model
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.layers.probe import habits


def context_for(dataset: Dataset, scratch: Path) -> TrainingContext:
    window = split_by_time(dataset.histories).validation
    return TrainingContext(
        window, dataset.items, torch.device("cpu"), 0, Budget(600, 10**6), scratch
    )


def test_margins_equal_scikit_learn(dataset: Dataset, tmp_path: Path) -> None:
    split = split_by_time(dataset.histories)
    model = Model(Config(components=5, costs=(0.01,)))
    model.fit(split, context_for(dataset, tmp_path))

    interests = find_interests(dataset.items, split.train)
    interest_I = torch.from_numpy(interests.interest_I)
    windows = cut_points(split.train)
    read_NH = torch.cat([habits(one.histories, interest_I, len(interests)) for one in windows])
    label_NC = np.concatenate([interests.acted_on(one.targets) for one in windows])
    asked = known(split.test).histories
    asked_UH = habits(asked, interest_I, len(interests)).numpy()
    for interest in range(len(interests)):
        svm = LinearSVC(C=0.01, dual=False, tol=1e-6, random_state=0)
        pipeline = make_pipeline(StandardScaler(), PCA(5, random_state=0), svm)
        pipeline.fit(read_NH.numpy(), label_NC[:, interest])
        expected_U = pipeline.decision_function(asked_UH)
        np.testing.assert_allclose(model.margins(asked)[:, interest], expected_U, atol=1e-4)


def test_rejects_catalogue_without_categories(dataset: Dataset, tmp_path: Path) -> None:
    bare = Dataset(
        dataset.user_ids,
        dataset.item_ids,
        dataset.histories,
        dataset.users,
        dataset.items.drop_columns("category_1"),
    )
    with pytest.raises(DataError, match="no categories"):
        Model(Config()).fit(split_by_time(bare.histories), context_for(bare, tmp_path))
